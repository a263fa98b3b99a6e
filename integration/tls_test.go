package integration_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// secure is a server with TLS files that can be replaced, and its intake.
type secure struct {
	*testbed.Server
	intake *testbed.Intake
	dir    string
}

// newSecure starts a server that shows the pair. Unless clients is nil, it asks for
// certificates of that authority.
func newSecure(t *testing.T, pair pki.Pair, clients *pki.Authority, listener net.Listener, version uint16) *secure {
	t.Helper()
	s := &secure{intake: testbed.StartIntake(t, nil), dir: t.TempDir()}
	s.show(t, pair)
	s.Server = testbed.StartServer(t, s.intake.URL(), listener, func(cfg *server.Config) {
		cfg.TLS = server.TLSConfig{
			CertFile: filepath.Join(s.dir, "tls.crt"), KeyFile: filepath.Join(s.dir, "tls.key"),
			MinVersion: version, ReloadInterval: time.Millisecond,
		}
		if clients != nil {
			cfg.TLS.ClientCAFile = s.admit(t, clients)
		}
	})
	return s
}

// show replaces the server's certificate.
func (s *secure) show(t *testing.T, pair pki.Pair) {
	t.Helper()
	pki.Write(t, s.dir, "tls.key", pair.Key)
	pki.Write(t, s.dir, "tls.crt", pair.Cert)
}

// admit replaces the clients' authority.
func (s *secure) admit(t *testing.T, authority *pki.Authority) string {
	t.Helper()
	return pki.Write(t, s.dir, "ca.crt", authority.PEM)
}

// dial returns a client that gives up at once.
func (s *secure) dial(t *testing.T, secured credentials.TransportCredentials) *client.Client {
	t.Helper()
	c, err := client.Dial(s.Target(), client.WithTransportCredentials(secured), client.WithMaxAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// upload uploads something, and returns the error or checks that it arrived.
func (s *secure) upload(t *testing.T, by *client.Client) error {
	t.Helper()
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(1).Functions(20)
	summary, err := testbed.UploadOnce(testbed.Context(t), by, metadata, scopes)
	if err == nil {
		s.intake.RequireDelivered(t, summary, metadata, scopes)
	}
	return err
}

// serial returns the number of the certificate that new connections are shown; nil
// where there is no connection.
func (s *secure) serial(t *testing.T, config *tls.Config) *big.Int {
	t.Helper()
	config = config.Clone()
	config.NextProtos = []string{"h2"}
	dialer := &tls.Dialer{Config: config}
	conn, err := dialer.DialContext(testbed.Context(t), "tcp", s.Target())
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber //nolint:errcheck,forcetypeassert // it is one
}

// await waits until new connections are shown the pair.
func (s *secure) await(t *testing.T, pair pki.Pair, config *tls.Config) {
	t.Helper()
	wait.Until(t, "the certificate "+pair.Serial.String()+" to be shown", func() *big.Int { return s.serial(t, config) },
		func(got *big.Int) bool { return got != nil && got.Cmp(pair.Serial) == 0 })
}

func trusting(authority *pki.Authority, pairs ...tls.Certificate) *tls.Config {
	return &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost", Certificates: pairs, MinVersion: tls.VersionTLS12}
}

// insisting has the client show its certificate though the server says that it
// takes those of other authorities.
func insisting(config *tls.Config, pair tls.Certificate) *tls.Config {
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config
}

func at(offset time.Duration, config *tls.Config) *tls.Config {
	config.Time = func() time.Time { return time.Now().Add(offset) }
	return config
}

func atMost(version uint16, config *tls.Config) *tls.Config {
	config.MaxVersion = version
	return config
}

// TestTLSHandshakes has clients that may come in and clients that may not.
func TestTLSHandshakes(t *testing.T) {
	t.Parallel()
	const days = 24 * time.Hour
	servers, clients := pki.NewAuthority(t, "servers"), pki.NewAuthority(t, "clients")
	pair := servers.Issue(t, "server")
	issue := func(from *pki.Authority, changes ...pki.Change) tls.Certificate {
		return from.Issue(t, "client", changes...).TLS(t)
	}
	forServers := func(template *x509.Certificate) {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for name, test := range map[string]struct {
		mutual bool
		old    bool // the server speaks TLS 1.2
		client *tls.Config
		// want is in what the client sees, as far as that is certain: the server's word
		// on a client's certificate can be lost in TLS 1.3, where the client goes on
		// sending meanwhile. logged is in what the server logs. Both empty: the client
		// comes in.
		want, logged string
	}{
		"right":                       {client: trusting(servers)},
		"unknown authority":           {client: trusting(clients), want: "certificate signed by unknown authority", logged: "bad certificate"},
		"expired":                     {client: at(2*days, trusting(servers)), want: "certificate has expired", logged: "bad certificate"},
		"not yet valid":               {client: at(-2*days, trusting(servers)), want: "not yet valid", logged: "bad certificate"},
		"TLS 1.2":                     {client: atMost(tls.VersionTLS12, trusting(servers)), want: "protocol version", logged: "unsupported versions"},
		"TLS 1.2, allowed":            {old: true, client: atMost(tls.VersionTLS12, trusting(servers))},
		"TLS 1.3 where 1.2 would do":  {old: true, client: trusting(servers)},
		"TLS 1.1":                     {old: true, client: &tls.Config{RootCAs: servers.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, want: "protocol version", logged: "unsupported versions"},
		"mutual":                      {mutual: true, client: trusting(servers, issue(clients))},
		"mutual, TLS 1.2":             {mutual: true, old: true, client: atMost(tls.VersionTLS12, trusting(servers, issue(clients)))},
		"no client certificate":       {mutual: true, client: trusting(servers), logged: "didn't provide a certificate"},
		"client's unknown authority":  {mutual: true, client: insisting(trusting(servers), issue(servers)), logged: "unknown authority"},
		"client's has expired":        {mutual: true, client: trusting(servers, issue(clients, pki.Valid(-2*days, -days))), logged: "has expired"},
		"client's is not yet valid":   {mutual: true, client: trusting(servers, issue(clients, pki.Valid(days, 2*days))), logged: "not yet valid"},
		"client's is for servers":     {mutual: true, client: trusting(servers, issue(clients, forServers)), logged: "incompatible key usage"},
		"client's is not needed":      {client: trusting(servers, issue(clients))},
		"no client certificate, 1.2":  {mutual: true, old: true, client: atMost(tls.VersionTLS12, trusting(servers)), logged: "didn't provide a certificate"},
		"server's for another's host": {client: &tls.Config{RootCAs: servers.Pool(), ServerName: "scopegate.example"}, want: "certificate is valid for localhost", logged: "bad certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked *pki.Authority
			if test.mutual {
				asked = clients
			}
			version := uint16(tls.VersionTLS13)
			if test.old {
				version = tls.VersionTLS12
			}
			s := newSecure(t, pair, asked, nil, version)
			err := s.upload(t, s.dial(t, credentials.NewTLS(test.client)))
			if test.logged == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the client sees %v, want %q", err, test.want)
			}
			s.Server.AwaitLogged(t, test.logged)
		})
	}
}

// TestPlaintextMeetsTLS has a client without TLS at a port with, and the other way
// round; over a unix socket there is none.
func TestPlaintextMeetsTLS(t *testing.T) {
	t.Parallel()
	authority := pki.NewAuthority(t, "one")
	pair := authority.Issue(t, "server")
	s := newSecure(t, pair, authority, nil, tls.VersionTLS13)
	err := s.upload(t, s.dial(t, insecure.NewCredentials()))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a plaintext client sees %v, want %v", err, codes.Unavailable)
	}
	s.Server.AwaitLogged(t, "first record does not look like a TLS handshake")
	plain := &secure{Server: testbed.StartServer(t, s.intake.URL(), nil, nil), intake: s.intake}
	err = plain.upload(t, plain.dial(t, credentials.NewTLS(trusting(authority))))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "first record does not look like a TLS handshake") {
		t.Errorf("a TLS client of a plaintext port sees %v, want %v and %q in it", err, codes.Unavailable, "first record does not look like a TLS handshake")
	}
	dir, err := os.MkdirTemp("", "scopegate") //nolint:usetesting // t.TempDir's name can be too long for a socket's address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := newSecure(t, pair, authority, testbed.Listen(t, "unix", filepath.Join(dir, "s")), tls.VersionTLS13)
	if err := socket.upload(t, socket.Client(t)); err != nil {
		t.Errorf("over a unix socket: %v", err)
	}
}

// TestCertificatesAreReplacedUnderTraffic replaces the server's certificate again
// and again while uploads begin, go on and end, in connections old and new.
func TestCertificatesAreReplacedUnderTraffic(t *testing.T) {
	t.Parallel()
	const rounds, uploaders = 20, 4
	authority := pki.NewAuthority(t, "one")
	config := trusting(authority, authority.Issue(t, "client").TLS(t))
	pair := authority.Issue(t, "server 0")
	s := newSecure(t, pair, authority, nil, tls.VersionTLS13)

	old := s.dial(t, credentials.NewTLS(config))
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(2).Functions(rounds+2)
	open, err := testbed.Open(testbed.Context(t), old, metadata)
	if err != nil {
		t.Fatal(err)
	}
	send := func() {
		t.Helper()
		if err := open.Send(scopes[0]); err != nil {
			t.Fatal(err)
		}
	}
	send()

	var uploaded atomic.Int64
	var working sync.WaitGroup
	stop := make(chan struct{})
	for range uploaders {
		working.Go(func() {
			stays := s.dial(t, credentials.NewTLS(config))
			for {
				select {
				case <-stop:
					return
				default:
				}
				comes := s.dial(t, credentials.NewTLS(config))
				for _, by := range []*client.Client{stays, comes} {
					if err := s.upload(t, by); err != nil {
						t.Errorf("an upload failed: %v", err)
					}
					uploaded.Add(1)
				}
				_ = comes.Close()
			}
		})
	}
	for range rounds {
		before := uploaded.Load()
		pair = authority.Issue(t, "server")
		s.show(t, pair)
		s.await(t, pair, config)
		send()
		wait.Until(t, "another upload", uploaded.Load, func(now int64) bool { return now > before || t.Failed() })
	}
	close(stop)
	working.Wait()
	send()
	result, err := open.CloseAndReceive()
	if err != nil {
		t.Fatalf("the upload that was there from the beginning: %v", err)
	}
	sent := make([]*symdbv1.Scope, rounds+2)
	for i := range sent {
		sent[i] = scopes[0]
	}
	s.intake.RequireDelivered(t, testbed.Summary(result), metadata, sent)
	t.Logf("%d uploads under %d certificates", uploaded.Load()+1, rounds+1)
}

// TestUselessCertificateKeepsOld replaces the certificate by garbage.
func TestUselessCertificateKeepsOld(t *testing.T) {
	t.Parallel()
	authority := pki.NewAuthority(t, "one")
	config := trusting(authority)
	pair := authority.Issue(t, "server")
	s := newSecure(t, pair, nil, nil, tls.VersionTLS13)
	pki.Write(t, s.dir, "tls.crt", []byte("garbage"))
	s.Server.AwaitLogged(t, "level=ERROR msg=\"invalid TLS files; keeping previous files")
	s.await(t, pair, config)
	if err := s.upload(t, s.dial(t, credentials.NewTLS(config))); err != nil {
		t.Error(err)
	}
	next := authority.Issue(t, "next")
	s.show(t, next)
	s.await(t, next, config)
}

// TestAuthorityIsReplaced takes the right to connect from clients of the authority
// before, also from those that would resume a session; what is open goes on.
func TestAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers, before, after := pki.NewAuthority(t, "servers"), pki.NewAuthority(t, "before"), pki.NewAuthority(t, "after")
			revoked := atMost(version, trusting(servers, before.Issue(t, "revoked").TLS(t)))
			revoked.ClientSessionCache = tls.NewLRUClientSessionCache(10)
			admitted := atMost(version, trusting(servers, after.Issue(t, "admitted").TLS(t)))
			s := newSecure(t, servers.Issue(t, "server"), before, nil, version)
			open := s.dial(t, credentials.NewTLS(revoked))
			if err := s.upload(t, open); err != nil {
				t.Fatal(err)
			}
			s.admit(t, after)
			wait.Equal(t, "clients of the new authority to be let in", func() error {
				return s.upload(t, s.dial(t, credentials.NewTLS(admitted)))
			}, nil)
			if err := s.upload(t, s.dial(t, credentials.NewTLS(revoked))); status.Code(err) != codes.Unavailable {
				t.Errorf("a client of the authority before: %v, want %v", err, codes.Unavailable)
			}
			if err := s.upload(t, open); err != nil {
				t.Errorf("in the connection that was open: %v", err)
			}
		})
	}
}

// TestSessionsAreNotResumed connects twice with what a client keeps for that.
func TestSessionsAreNotResumed(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			authority := pki.NewAuthority(t, "one")
			s := newSecure(t, authority.Issue(t, "server"), authority, nil, version)
			config := atMost(version, trusting(authority, authority.Issue(t, "client").TLS(t)))
			config.NextProtos, config.ClientSessionCache = []string{"h2"}, tls.NewLRUClientSessionCache(10)
			for range 2 {
				conn, err := (&tls.Dialer{Config: config}).DialContext(testbed.Context(t), "tcp", s.Target())
				if err != nil {
					t.Fatal(err)
				}
				// A ticket would come ahead of the server's first frame.
				_, readErr := conn.Read(make([]byte, 9))
				if readErr != nil || conn.(*tls.Conn).ConnectionState().DidResume { //nolint:errcheck,forcetypeassert // it is one
					t.Errorf("a session was resumed, or %v", readErr)
				}
				_ = conn.Close()
			}
		})
	}
}
