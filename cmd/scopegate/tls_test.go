package main

import (
	"crypto/tls"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/server/devintake"
	"github.com/scopegate/scopegate/server/textfile"
)

// TestServeSaysPlaintext: serve warns once of plaintext that other hosts can reach.
func TestServeSaysPlaintext(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		loud bool
	}{
		"allowed":          {[]string{"--listen", "0.0.0.0:0", "--insecure-listen"}, true},
		"allowed, no host": {[]string{"--listen", ":0", "--insecure-listen"}, true},
		"loopback":         {[]string{"--listen", "127.0.0.1:0", "--insecure-listen"}, false},
		"localhost":        {[]string{"--listen", "localhost:0"}, false},
		"unix socket":      {[]string{"--listen", "unix://" + socketPath(t)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve := startCommand(t, noVariables, append([]string{"serve", "--intake-url", "http://127.0.0.1:1/"}, test.args...)...)
			serve.address()
			if code := serve.stop(); code != exitOK {
				t.Errorf("exit code %d, want %v", code, exitOK)
			}
			said := strings.Count(serve.stderr.String(), "level=WARN msg=\"PLAINTEXT")
			if test.loud != (said == 1) || said > 1 {
				t.Errorf("said %d times, want it once: %v; %s", said, test.loud, serve.stderr.String())
			}
		})
	}
}

// secured is a server that requires client certificates, in front of an intake that
// requires one of the server, and the flags of an accepted client.
type secured struct {
	dir, address     string
	ca, cert, key    []string
	intake           *devintake.Intake
	authority, other *pki.Authority
}

func newSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{dir: t.TempDir(), authority: pki.NewAuthority(t, "one"), other: pki.NewAuthority(t, "other")}
	var err error
	if s.intake, err = devintake.New(devintake.Options{}); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s.intake)
	web.TLS = &tls.Config{
		Certificates: []tls.Certificate{s.other.Issue(t, "intake").TLS(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: s.other.Pool(),
	}
	web.StartTLS()
	t.Cleanup(web.Close)
	serve := startCommand(t, noVariables, append([]string{
		"serve", "--listen", "0.0.0.0:0", "--tls-client-ca", pki.Write(t, s.dir, "ca.crt", s.authority.PEM),
		"--intake-url", web.URL + agentPath, "--intake-ca", pki.Write(t, s.dir, "intake-ca.crt", s.other.PEM),
	}, append(s.pair(t, s.authority, "--tls-cert", "--tls-key"), s.pair(t, s.other, "--intake-cert", "--intake-key")...)...)...)
	t.Cleanup(func() {
		if code := serve.stop(); code != exitOK || strings.Contains(serve.stderr.String(), "PLAINTEXT") {
			t.Errorf("serve: exit code %d, %s", code, serve.stderr.String())
		}
	})
	_, port, _ := strings.Cut(serve.address(), "]:")
	s.address = "127.0.0.1:" + port
	s.ca = []string{"--ca", filepath.Join(s.dir, "ca.crt")}
	client := s.pair(t, s.authority, "--cert", "--key")
	s.cert, s.key = client[:2], client[2:]
	return s
}

// pair writes a certificate and its key, and returns the flags that name them.
func (s *secured) pair(t *testing.T, by *pki.Authority, certFlag, keyFlag string) []string {
	t.Helper()
	pair := by.Issue(t, certFlag)
	return []string{
		certFlag, pki.Write(t, s.dir, certFlag+".crt", pair.Cert), keyFlag, pki.Write(t, s.dir, certFlag+".key", pair.Key),
	}
}

// TestUploadOverTLS uploads by mTLS, through a server that forwards by mTLS.
func TestUploadOverTLS(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	path := filepath.Join(t.TempDir(), "another-ca.crt")
	anotherCA := []string{"--ca", pki.Write(t, filepath.Dir(path), filepath.Base(path), s.other.PEM)}
	several := []string{"--server", s.address, "--server", s.address}
	cut := func(flag string, cut int, contents ...[]byte) []string {
		content := slices.Concat(contents...)
		return []string{flag, file(t, string(content[:len(content)-cut]))}
	}
	read := func(path string) []byte {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	bom := []byte(textfile.BOM)
	for name, test := range map[string]struct {
		flags [][]string
		code  int
		want  string
	}{
		"right":                 {[][]string{s.ca, s.cert, s.key}, exitOK, "1 scope in 1 batch"},
		"several servers":       {[][]string{s.ca, s.cert, s.key, several}, exitOK, "1 scope in 1 batch"},
		"a name":                {[][]string{s.ca, s.cert, s.key, {"--server-name", "localhost"}}, exitOK, "1 scope in 1 batch"},
		"several, a name":       {[][]string{s.ca, s.cert, s.key, several, {"--server-name", "localhost"}}, exitOK, "1 scope in 1 batch"},
		"another name":          {[][]string{s.ca, s.cert, s.key, {"--server-name", "scopegate.test"}}, exitUsage, "not scopegate.test"},
		"several, another name": {[][]string{s.ca, s.cert, s.key, several, {"--server-name", "scopegate.test"}}, exitDelivery, "not scopegate.test"},
		"another CA":            {[][]string{anotherCA, s.cert, s.key}, exitUsage, "unknown authority"},
		"the system's CAs":      {[][]string{s.cert, s.key, {"--tls"}}, exitUsage, "unknown authority"},
		"no certificate":        {[][]string{s.ca}, exitDelivery, "set --cert and --key"},
		"plaintext":             {[][]string{{"--plaintext"}}, exitDelivery, "may succeed later"},
		"loopback":              {nil, exitDelivery, "may succeed later"},
		"no key":                {[][]string{s.ca, s.cert}, exitUsage, "--cert and --key must be used together"},
		"no CA file":            {[][]string{{"--ca", "/none"}}, exitUsage, "--ca: CA certificates: open "},
		"a key as CA":           {[][]string{{"--ca", s.key[1]}}, exitUsage, `--ca: CA certificates `},
		"a key as certificate":  {[][]string{{"--cert", s.key[1]}, s.key}, exitUsage, "--cert and --key: certificate "},
		"a cut CA":              {[][]string{cut("--ca", 40, s.authority.PEM, s.other.PEM), s.cert, s.key}, exitUsage, "--ca: CA certificates "},
		"two CAs":               {[][]string{cut("--ca", 0, bom, s.authority.PEM, bom, s.other.PEM), s.cert, s.key}, exitOK, "1 scope in 1 batch"},
		"a cut chain":           {[][]string{s.ca, cut("--cert", 40, read(s.cert[1]), s.authority.PEM), s.key}, exitUsage, "--cert and --key: certificate "},
		"a chain":               {[][]string{s.ca, cut("--cert", 0, bom, read(s.cert[1]), s.authority.PEM), s.key}, exitOK, "1 scope in 1 batch"},
		"a key with a mark":     {[][]string{s.ca, s.cert, cut("--key", 0, bom, read(s.key[1]))}, exitOK, "1 scope in 1 batch"},
		"a cut key":             {[][]string{s.ca, s.cert, cut("--key", 40, read(s.key[1]))}, exitUsage, "--cert and --key: key "},
		"contradiction":         {[][]string{{"--plaintext", "--tls"}}, exitUsage, "can't be used together"},
		"plaintext and CA":      {[][]string{{"--plaintext"}, s.ca}, exitUsage, "--plaintext can't be used with"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"upload", "--service", "shop", "--language", "ruby", "-q", "-"}
			if !strings.HasPrefix(name, "several") {
				args = append(args, "--server", s.address)
			}
			for _, flags := range test.flags {
				args = append(args, flags...)
			}
			got := execute(t, line, args...)
			if got.code != test.code || !strings.Contains(got.stdout+got.stderr, test.want) {
				t.Errorf("got %+v\nwant code %d, %q", got, test.code, test.want)
			}
		})
	}
}

// TestServeRefusesTLSFiles checks errors that occur before serving.
func TestServeRefusesTLSFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	authority := pki.NewAuthority(t, "one")
	pair, other := authority.Issue(t, "server"), authority.Issue(t, "other")
	cert, key := pki.Write(t, dir, "tls.crt", pair.Cert), pki.Write(t, dir, "tls.key", pair.Key)
	otherKey := pki.Write(t, dir, "other.key", other.Key)
	old := authority.Issue(t, "old", pki.Valid(-2e12, -1e12))
	oldCert, oldKey := pki.Write(t, dir, "old.crt", old.Cert), pki.Write(t, dir, "old.key", old.Key)
	both := slices.Concat(authority.PEM, pki.NewAuthority(t, "two").PEM)
	cut := pki.Write(t, dir, "cut.crt", both[:len(both)-40])
	chain := slices.Concat(pair.Cert, authority.PEM)
	cutChain := pki.Write(t, dir, "chain.crt", chain[:len(chain)-40])
	encrypted := pki.Write(t, dir, "encrypted.key", []byte(strings.ReplaceAll(string(pair.Key), "PRIVATE", "ENCRYPTED PRIVATE")))
	for name, test := range map[string]struct {
		flags []string
		want  string
	}{
		"no key":           {[]string{"--tls-cert", cert}, "is set without the file of its private key"},
		"another's key":    {[]string{"--tls-cert", cert, "--tls-key", otherKey}, "does not match"},
		"no file":          {[]string{"--tls-cert", cert, "--tls-key", dir + "/none"}, "no such file"},
		"no file, checked": {[]string{"--tls-cert", dir + "/none", "--tls-key", key, "--check"}, "no such file"},
		"other, checked":   {[]string{"--tls-cert", cert, "--tls-key", otherKey, "--check"}, "does not match"},
		"expired":          {[]string{"--tls-cert", oldCert, "--tls-key", oldKey}, "expired at"},
		"no client CA":     {[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", key}, "PRIVATE KEY"},
		"version":          {[]string{"--tls-min-version", "1.1"}, "must be 1.2 or 1.3"},
		"plain intake":     {[]string{"--intake-ca", cert}, "requires an intake URL with https"},
		"intake, half":     {[]string{"--intake-url", "https://127.0.0.1:1/", "--intake-cert", cert}, "is set without the file of its private key"},
		"a key, no path":   {[]string{"--tls-cert", cert, "--tls-key=" + string(pair.Key)}, "is the content of a file, not its path"},
		"a cut client CA":  {[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cut}, "truncated file"},
		"a cut intake CA":  {[]string{"--intake-url", "https://127.0.0.1:1/", "--intake-ca", cut, "--check"}, "truncated file"},
		"a cut chain":      {[]string{"--tls-cert", cutChain, "--tls-key", key, "--check"}, "truncated file"},
		"an encrypted key": {[]string{"--tls-cert", cert, "--tls-key", encrypted, "--check"}, "the key is encrypted"},
		"a device":         {[]string{"--tls-cert", cert, "--tls-key", "/dev/zero"}, "not a regular file"},
		"client CA, alone": {[]string{"--tls-client-ca", cert}, "requires the server's own certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/"}, test.flags...)
			got := execute(t, "", args...)
			if got.code != exitUsage || !strings.Contains(got.stderr, test.want) || strings.Contains(got.stdout, "listening") {
				t.Errorf("got %+v, want %q", got, test.want)
			}
			if strings.Contains(got.stderr, string(pair.Key[40:60])) {
				t.Errorf("the key is printed: %s", got.stderr)
			}
		})
	}
}
