package server

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// withTLS has a server show a certificate of the authority's, and ask for one.
func withTLS(t *testing.T, authority *pki.Authority, asks bool) func(*Config) {
	t.Helper()
	dir := t.TempDir()
	pair := authority.Issue(t, "server")
	return func(cfg *Config) {
		cfg.TLS.CertFile = pki.Write(t, dir, "tls.crt", pair.Cert)
		cfg.TLS.KeyFile = pki.Write(t, dir, "tls.key", pair.Key)
		if asks {
			cfg.TLS.ClientCAFile = pki.Write(t, dir, "ca.crt", authority.PEM)
		}
	}
}

func dialRawTLS(t *testing.T, address string, authority *pki.Authority) *rawClient {
	t.Helper()
	conn := tls.Client(dialTCP(t, address), &tls.Config{
		RootCAs: authority.Pool(), ServerName: "localhost", NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
	})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return beginRaw(t, conn)
}

// TestSmallFramesWithinTLS does what a client in plain text may not do either.
func TestSmallFramesWithinTLS(t *testing.T) {
	t.Parallel()
	const count = 2000
	authority := pki.NewAuthority(t, "one")
	server := run(t, withTLS(t, authority, false))
	base := server.drawnBytes()
	hostile, other := dialRawTLS(t, server.address, authority), dialRawTLS(t, server.address, authority)
	hostile.settle(t)
	other.settle(t)
	const both = 2 * (grpcwire.ConnectionBytes + grpcwire.TLSConnectionBytes)
	before := base + drawnAtRest(t, server.budget, base, both+2*(grpcwire.OpenBytes+upload.StreamBytes)+writeBytes)
	if before < base+both {
		t.Errorf("%d bytes are drawn for two connections, want at least %d", before-base, both)
	}
	hostile.single(t, count)
	hostile.settle(t)
	server.awaitDrawn(t, before+count*(1+frameBytes)-slackBytes)
	hostile.writeSingle(t, grpcwire.DefaultSmallFrames)
	_, _ = hostile.out.WriteTo(hostile.Conn) // the server may close before all of it is written
	awaitEnd(t, hostile)
	other.settle(t)
	server.log.Await(t, "small frames")
}

// TestLongHandshakeIsDrawn sends the beginning of a ClientHello that does not end.
func TestLongHandshakeIsDrawn(t *testing.T) {
	t.Parallel()
	const recordBytes, recordCount = 15 << 10, 4
	server := run(t, withTLS(t, pki.NewAuthority(t, "one"), true))
	before := server.drawnBytes()
	conn := dialTCP(t, server.address)
	hello := helloRecord(recordBytes)
	for range recordCount {
		if _, err := conn.Write(hello); err != nil {
			t.Fatal(err)
		}
	}
	server.awaitDrawn(t, before+grpcwire.ConnectionBytes+grpcwire.TLSConnectionBytes+recordCount*(5+recordBytes))
	// The server may close before all of it is written.
	_, _ = conn.Write(hello)
	awaitEnd(t, conn)
	server.log.Await(t, "the handshake is longer than 64 KiB")
}

// helloRecord returns a record of a ClientHello of 64 KiB.
func helloRecord(bytes int) []byte {
	record := make([]byte, 5+bytes)
	copy(record, []byte{22, 3, 1, 0, 0, 1, 0, 0xff, 0xff})
	binary.BigEndian.PutUint16(record[3:], uint16(bytes))
	return record
}

// TestHandshakesMakeRoom: handshakes that are begun and left, more than there is memory
// for, keep nobody from uploading.
func TestHandshakesMakeRoom(t *testing.T) {
	t.Parallel()
	const recordBytes, recordCount, connCount = 15 << 10, 4, 300
	authority := pki.NewAuthority(t, "one")
	server := run(t, withTLS(t, authority, false), func(cfg *Config) { cfg.Limits.MemoryBytes = minMemoryBytes })
	hello := bytes.Repeat(helloRecord(recordBytes), recordCount)
	for range connCount {
		_, _ = dialTCP(t, server.address).Write(hello) // it may make room for the next one already
	}
	wait.Until(t, "room to be made", func() int64 { return server.connections.Counts().Evicted },
		func(evicted int64) bool { return evicted > connCount/3 })
	conn, err := grpc.NewClient(server.address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		RootCAs: authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13,
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(metadataOf("shop")); err != nil {
		t.Fatal(err)
	}
	send(t, stream, 1)
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
	if peak := server.budget.PeakBytes(); peak > server.budget.LimitBytes()*3/4 {
		t.Errorf("%d bytes were drawn of %d, want three quarters at most", peak, server.budget.LimitBytes())
	}
}

// TestPlainClientOfTLS speaks HTTP/2 without TLS to a port with.
func TestPlainClientOfTLS(t *testing.T) {
	t.Parallel()
	server := run(t, withTLS(t, pki.NewAuthority(t, "one"), false))
	conn := dialTCP(t, server.address)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, conn)
	server.log.Await(t, "does not look like a TLS handshake")
}

// TestTLSSettings has settings refused, with the names and values.
func TestTLSSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no key":           {func(c *Config) { c.TLS.CertFile = "/c.pem" }, `TLS.CertFile: /c.pem is set without the file of its private key`},
		"no certificate":   {func(c *Config) { c.TLS.KeyFile = "/k.pem" }, `TLS.KeyFile: /k.pem is set without the file of its certificate`},
		"client CA alone":  {func(c *Config) { c.TLS.ClientCAFile = "/ca.pem" }, `TLS.ClientCAFile: /ca.pem requires`},
		"version":          {func(c *Config) { c.TLS.MinVersion = tls.VersionTLS11 }, "TLS.MinVersion: 0x302"},
		"interval":         {func(c *Config) { c.TLS.ReloadInterval = 0 }, "TLS.ReloadInterval: 0s"},
		"no file":          {func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = "/none/c.pem", "/none/k.pem" }, "certificate: open /none/c.pem: no such file"},
		"a key for a path": {func(c *Config) { c.TLS.CertFile = "hush-hush-7f3a" }, "TLS.CertFile: (path hidden"},
		"a key, no file":   {func(c *Config) { c.TLS.CertFile, c.TLS.KeyFile = "/c.pem", "hush-hush-7f3a" }, "no such file"},
		"intake key alone": {func(c *Config) { c.Intake.TLS.KeyFile = "/k.pem" }, `Intake.TLS.KeyFile: /k.pem is set without the file of its certificate`},
		"intake's URL":     {func(c *Config) { c.Intake.TLS.CAFile = "/ca.pem" }, "requires an intake URL with https"},
		"a key": {func(c *Config) {
			c.TLS.CertFile, c.TLS.KeyFile = "/c.pem", "-----BEGIN PRIVATE KEY-----\nhush"
		}, "TLS.KeyFile is the content of a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Intake.URL = "http://127.0.0.1:1/"
			test.change(&cfg)
			_, err := New(cfg, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
