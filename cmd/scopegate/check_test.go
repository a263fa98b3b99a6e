package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/integration/pki"
)

// TestCheckNeitherListensNorContacts checks settings of a server that is running.
func TestCheckNeitherListensNorContacts(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer web.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	socket := socketPath(t)
	got := execute(t, "", "serve", "--check", "--intake-url", web.URL, "--spool-dir", t.TempDir(),
		"--listen", taken.Addr().String(), "--listen", settings.UnixScheme+socket)
	if got.code != exitOK || !strings.HasSuffix(got.stdout, "\nok: the server would start\n") {
		t.Errorf("%+v, want code %v and %q at its end", got, exitOK, "\nok: the server would start\n")
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("a socket was made: %v", err)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("the intake got %d requests, want 0", n)
	}
}

// Errors name the setting, and show its value if it can't be a secret.
func TestCheckNamesTheSetting(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct{ name, value, want string }{
		{"--spool-dir", missing, "--spool-dir: " + missing + " can't be used: no such file or directory\n"},
		{"--intake-url", "127.0.0.1:8126", "--intake-url: the value is not http://host/path,"},
	} {
		if got := execute(t, "", "serve", "--check", test.name, test.value); got.code != exitUsage || !strings.Contains(got.stderr, test.want) {
			t.Errorf("got %+v, want %q", got, test.want)
		}
	}
}

// Errors in a file name the setting that names the file, with its line.
func TestCheckNamesTheSettingOfAFile(t *testing.T) {
	t.Parallel()
	dir, pair := t.TempDir(), pki.NewAuthority(t, "one").Issue(t, "gate")
	cert, key := pki.Write(t, dir, "server.crt", pair.Cert), pki.Write(t, dir, "server.key", pair.Key)
	words := file(t, "two words")
	for _, test := range []struct{ content, want string }{
		{"\ntls-cert: none.pem\ntls-key: " + key, ":2: tls-cert: certificate: open none.pem: no such file"},
		{"tls-cert: " + cert + "\ntls-key: " + cert, ":2: tls-key: key " + cert + ": contains no private key"},
		{"tls-cert: " + cert + "\ntls-key: " + key + "\ntls-client-ca: none.pem", ":3: tls-client-ca: CA certificates: open none.pem: no such file"},
		{"intake-url: https://h/\nintake-ca: none.pem", ":2: intake-ca: CA certificates: open none.pem: no such file"},
		{"\ntenants-file: none", ":2: tenants-file: open none: no such file"},
		{"\ntenants-file: " + words, ":2: tenants-file: " + words + ": "},
		{"\napi-key-file: " + words, ":2: api-key-file: " + words + ": contains more than one word"},
		{"\nadditional-intake: http://h/ " + words, ":2: additional-intake: API key file of additional intake 1: " + words},
		{"\nlisten: 0.0.0.0:1", `:2: listen: "0.0.0.0:1": other hosts can reach this address without TLS`},
	} {
		got := execute(t, "", "serve", "--check", "--config", file(t, test.content))
		if got.code != exitUsage || !strings.Contains(got.stderr, test.want) {
			t.Errorf("%q: got %+v, want %q", test.content, got, test.want)
		}
	}
}

// A script can't have a zero byte in an argument.
func TestZeroByteInPath(t *testing.T) {
	t.Parallel()
	const want = "the path has a zero byte"
	for _, args := range [][]string{{"serve"}, {"serve", "--check"}} {
		if got := execute(t, "", append(args, "--listen", "unix:///s\x00")...); got.code != exitUsage || !strings.Contains(got.stderr, want) {
			t.Errorf("%q: got %+v, want %q", args, got, want)
		}
	}
}

// Any number of ports 0 can be free, and hosts or families with different addresses do not
// conflict.
func TestAddressesApart(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(socketPath(t))
	for _, addresses := range []string{
		"127.0.0.1:0,127.0.0.1:0", "127.0.0.1:7,127.0.0.1:8", "127.0.0.1:7,[::1]:7", "127.0.0.1:7,127.0.0.2:7",
		"unix://" + dir + "/a,unix://" + dir + "/b", "unix://" + dir + "/7,127.0.0.1:7", "a.example:7,b.example:7",
	} {
		if err := checkAddresses(listenAddresses("--listen", strings.Split(addresses, ",")...)); err != nil {
			t.Errorf("%s: %v", addresses, err)
		}
	}
}

func TestUsageErrorTellsNoKey(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{"--tls-key": nil, "(not shown: text of a PEM file)": {"--check"}} {
		got := execute(t, "", append([]string{"serve", "--tls-key=-----BEGIN PRIVATE KEY-----\ncanary"}, args...)...)
		if all := got.stdout + got.stderr; got.code != exitUsage || strings.Contains(all, "canary") || !strings.Contains(all, want) {
			t.Errorf("%q: got %+v, want %q and no key", args, got, want)
		}
	}
}
