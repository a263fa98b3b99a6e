package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
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
		"--listen", taken.Addr().String(), "--listen", settings.UnixScheme+socket)
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
		"address":          {[]string{"--listen", "nowhere"}, []string{`--listen: "nowhere": neither host:port`}},
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

// What --check finds wrong serve refuses, in the same words, and the other way
// round.
func TestCheckAgreesWithServe(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(socketPath(t))
	regular := filepath.Join(dir, "regular")
	if err := os.WriteFile(regular, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, dir+"-link"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir + "-link") })
	long := strings.Repeat("x", 200)
	for _, test := range []struct {
		want      string
		args      []string
		variables map[string]string
	}{
		{"--compression-level: 0 is not", []string{"--compression-level", "0"}, nil},
		{"open spool in /none", []string{"--spool-dir", "/none"}, nil},
		{"--min-rate: -1 is negative", []string{"--min-rate=-1"}, nil},
		{"--memory-limit", []string{"--memory-limit", "1"}, nil},
		{"--intake-connections: 0", []string{"--intake-connections", "0"}, nil},
		{"--stream-window", []string{"--stream-window", "1"}, nil},

		{"there is a folder of that name", []string{"--listen", "unix://" + dir}, nil},
		{"not a socket", []string{"--listen", "unix://" + regular}, nil},
		{"is not a folder", []string{"--listen", "unix://" + regular + "/s"}, nil},
		{"no such file or directory", []string{"--listen", "unix://" + dir + "/none/s"}, nil},
		{"that of a socket can have 107", []string{"--listen", "unix:///" + long}, nil},
		{"the path is not absolute", []string{"--listen", "unix://s"}, nil},
		{"the path is that of a folder", []string{"--listen", "unix://" + dir + "/s/"}, nil},
		{"the path has a zero byte", []string{"--listen", "unix://" + dir + "/s\x00"}, nil},
		{`"99999" is not a port number`, []string{"--listen", "127.0.0.1:99999"}, nil},
		{`"" is not a port number`, []string{"--listen", "127.0.0.1:"}, nil},
		{"neither host:port", []string{"--listen", "::1:50051"}, nil},
		{`"http://x" is neither a host name`, []string{"--listen", "[http://x]:1"}, nil},
		{`--listen: "127.0.0.1:7": --listen has it already`, []string{"--listen", "127.0.0.1:7", "--listen", "127.0.0.1:7"}, nil},
		{`--listen: "localhost:7": --listen has it already, as ":7"`, []string{"--insecure-listen", "--listen", ":7,localhost:7"}, nil},
		{"has it already", []string{"--insecure-listen", "--listen", "0.0.0.0:7,127.0.0.1:7"}, nil},
		{"has it already", []string{"--insecure-listen", "--listen", "[::1]:7,0.0.0.0:7"}, nil},
		{"has it already", []string{"--insecure-listen", "--listen", "[::1]:7,[::]:07"}, nil},
		{"has it already", []string{"--listen", "unix://" + dir + "/s,unix://" + dir + "/../" + filepath.Base(dir) + "/s"}, nil},
		{"has it already", []string{"--listen", "unix://" + dir + "/s,unix://" + dir + "-link/s"}, nil},
		{`--admin-listen: "localhost:7": --listen has it already`, []string{"--listen", "127.0.0.1:7", "--admin-listen", "localhost:7"}, nil},
		{"--admin-listen: SCOPEGATE_ADMIN_LISTEN: ", nil, map[string]string{"SCOPEGATE_ADMIN_LISTEN": "unix://" + dir}},
		{"--listen: SCOPEGATE_LISTEN: ", nil, map[string]string{"SCOPEGATE_LISTEN": "127.0.0.1:7, 127.0.0.1:7"}},

		{`--admin-host: "http://gate:6060" is not a host name`, []string{"--admin-host", "gate:6060, http://gate:6060"}, nil},

		{"OTEL_TRACES_EXPORTER", nil, map[string]string{"OTEL_TRACES_EXPORTER": "jaeger"}},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", nil, map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}},

		{"--intake-url", []string{"--intake-url", "http://"}, nil},
		{"--intake-url: http://127.0.0.1:99999/ has a port that is not", []string{"--intake-url", "http://127.0.0.1:99999/"}, nil},
		{"has a port that is not between 1 and 65535", []string{"--intake-url", "http://127.0.0.1:0/"}, nil},
		{"has the path of a socket longer than 107 bytes", []string{"--intake-url", "unix:///" + long + ":/x"}, nil},
		{"--intake-url: unix://run/x.socket:/x is not", []string{"--intake-url", "unix://run/x.socket:/x"}, nil},
		{"has a port that is not", []string{"--intake-url", "http://x/", "--additional-intake", "http://127.0.0.1:99999/"}, nil},
		{"DD_TRACE_AGENT_URL", nil, map[string]string{"DD_TRACE_AGENT_URL": "http://127.0.0.1:99999"}},
		{"DD_TRACE_AGENT_URL", nil, map[string]string{"DD_TRACE_AGENT_URL": "unix:///" + long}},
		{"DD_TRACE_AGENT_PORT", nil, map[string]string{"DD_TRACE_AGENT_PORT": "99999"}},
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			args := test.args
			if !slices.Contains(args, "--listen") && test.variables["SCOPEGATE_LISTEN"] == "" {
				args = append(args, "--listen", "127.0.0.1:0")
			}
			args = append(args, "--log-level", "error")
			getenv := withoutAdmin(variables(test.variables))
			check := executeWith(t, getenv, "", append([]string{"serve", "--check"}, args...)...)
			serve := executeWith(t, getenv, "", append([]string{"serve"}, args...)...)
			for _, of := range []*result{&check, &serve} {
				of.stderr = regexp.MustCompile(`scopegate-\d+\.spool`).ReplaceAllString(of.stderr, "")
			}
			if check.code != exitUsage || serve.code != exitUsage || check.stderr != serve.stderr || !strings.Contains(serve.stderr, test.want) {
				t.Errorf("%q, %v: --check says %d: %s\nserve says %d: %s\nwant %s",
					args, test.variables, check.code, check.stderr, serve.code, serve.stderr, test.want)
			}
		})
	}
}

// A port of any number can be free, and addresses of other hosts or families are
// others.
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
