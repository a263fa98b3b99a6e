package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scopegate/scopegate/integration/pki"
)

// TestCheckNeitherListensNorContacts: what is checked may run at the same time.
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
		"--listen", taken.Addr().String(), "--listen", unixScheme+socket)
	if got.code != exitOK || !strings.HasSuffix(got.stdout, "\nok: the server would start\n") {
		t.Errorf("%+v", got)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("a socket was made: %v", err)
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("the intake got %d requests", n)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := file(t, "")
	authority := pki.NewAuthority(t, "one")
	pair := authority.Issue(t, "server")
	cert, key := pki.Write(t, dir, "tls.crt", pair.Cert), pki.Write(t, dir, "tls.key", pair.Key)
	otherKey := pki.Write(t, dir, "other.key", authority.Issue(t, "other").Key)
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"another's key":    {[]string{"--tls-cert", cert, "--tls-key", otherKey}, []string{"does not match"}},
		"no certificate":   {[]string{"--tls-cert", dir + "/none", "--tls-key", key}, []string{"no such file"}},
		"plaintext":        {[]string{"--listen", "0.0.0.0:0"}, []string{"there is no TLS"}},
		"address":          {[]string{"--listen", "nowhere"}, []string{`listen on "nowhere": neither host:port`}},
		"port":             {[]string{"--listen", "127.0.0.1:http"}, []string{`"http" is not a port number`}},
		"socket's folder":  {[]string{"--listen", "unix://" + dir + "/none/s"}, []string{"no such file or directory"}},
		"socket in a file": {[]string{"--listen", "unix://" + empty + "/s"}, []string{"is not a folder"}},
		"spool":            {[]string{"--spool-dir", filepath.Join(dir, "none")}, []string{"spool", "no such file or directory"}},
		"spool in a file":  {[]string{"--spool-dir", empty}, []string{"spool", "not a directory"}},
		"intake URL":       {[]string{"--intake-url", "ftp://x"}, []string{"--intake-url: ftp://x is not http://"}},
		"key file":         {[]string{"--api-key-file", filepath.Join(dir, "none")}, []string{"API key file: open"}},
		"empty key file":   {[]string{"--api-key-file", empty}, []string{"there is no key in it"}},
		"range":            {[]string{"--max-depth", "0"}, []string{"--max-depth: 0 is not between 1 and 1000"}},
		"several":          {[]string{"--max-depth", "0", "--listen", "nowhere"}, []string{"--max-depth: 0", "nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", append([]string{"serve", "--check"}, test.args...)...)
			if got.code != exitUsage || !strings.HasPrefix(got.stdout, "SETTING ") || strings.Contains(got.stdout, "ok:") {
				t.Errorf("%+v", got)
			}
			for _, want := range test.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("got %s\nwant %q", got.stderr, want)
				}
			}
		})
	}
}

// A setting that --check shows as it is can't be one that serve refuses.
func TestCheckAgreesWithServe(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, args := range [][]string{
		{"--compression-level", "0"},
		{"--intake-url", "http://"},
		{"--spool-dir", "/none"},
		{"--min-rate", "-1"},
		{"--memory-limit", "1"},
		{"--intake-connections", "0"},
		{"--stream-window", "1"},
	} {
		check := execute(t, "", append([]string{"serve", "--check"}, args...)...)
		serve := execute(t, "", append([]string{"serve", "--listen", s.server}, args...)...)
		if check.code != exitUsage || serve.code != exitUsage {
			t.Errorf("%q: --check says %d: %s\nserve says %d: %s", args, check.code, check.stderr, serve.code, serve.stderr)
		}
	}
}

func TestCheckTellsNoSecrets(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a"
	keyFile := file(t, canary+"\n")
	tenants := file(t, fmt.Sprintf("tenants:\n- name: shop\n  certificates: [shop]\n  intake: {url: %q, api_key_file: %s}\n",
		"https://u:"+canary+"@host/?k="+canary, keyFile))
	for name, test := range map[string]struct {
		variables map[string]string
		args      []string
		want      string
	}{
		"tenants":       {args: []string{"--tenants-file", tenants}, want: "tenants-file"},
		"additional":    {args: []string{"--additional-intake", "https://u:" + canary + "@host/?k=" + canary + " " + keyFile}, want: "https://redacted@host/?redacted"},
		"variable":      {variables: map[string]string{"DD_API_KEY": canary}, want: "with an API key, chosen by DD_API_KEY"},
		"own variable":  {variables: map[string]string{"SCOPEGATE_API_KEY": canary}, want: "with an API key"},
		"file":          {args: []string{"--api-key-file", keyFile}, want: "with an API key, chosen by the API key file"},
		"URL":           {args: []string{"--intake-url", "https://user:" + canary + "@host/x?key=" + canary + "#" + canary}, want: "https://redacted@host/x?redacted"},
		"variable's":    {variables: map[string]string{"SCOPEGATE_INTAKE_URL": "https://" + canary + "@host/"}, want: "https://redacted@host/"},
		"agent's":       {variables: map[string]string{"DD_TRACE_AGENT_URL": "http://" + canary + ":" + canary + "@host"}, want: "http://redacted@host/"},
		"PEM, no path":  {args: []string{"--tls-key=-----BEGIN PRIVATE KEY-----\n" + canary}, want: "(not shown: text of a PEM file)"},
		"malformed URL": {args: []string{"--intake-url", "https://" + canary + "\x7f@host"}, want: "(not a URL)"},
		"exposed key":   {variables: map[string]string{"SCOPEGATE_API_KEY": canary}, args: []string{"--intake-url", "http://host/"}, want: "warning: the API key travels unencrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := executeWith(t, variables(test.variables), "", append([]string{"serve", "--check"}, test.args...)...)
			if !strings.Contains(got.stdout, test.want) {
				t.Errorf("no %q in %+v", test.want, got)
			}
			if strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("a secret is told: %+v", got)
			}
		})
	}
}

func TestUsageErrorTellsNoKey(t *testing.T) {
	t.Parallel()
	got := execute(t, "", "serve", "--tls-key", "-----BEGIN PRIVATE KEY-----\ncanary")
	if got.code != exitUsage || strings.Contains(got.stderr, "canary") || !strings.Contains(got.stderr, "--tls-key") {
		t.Errorf("%+v", got)
	}
}

func TestShownIsOneLine(t *testing.T) {
	t.Parallel()
	got := execute(t, "", "serve", "--check", "--additional-tags", "a:b\nok: x\x1b[2J")
	if strings.Contains(got.stdout, "\nok: x") || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("%q", got.stdout)
	}
}
