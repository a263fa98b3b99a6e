package main

import (
	"strings"
	"testing"
)

// withProxies sets the variables for proxies. net/http looks only at those of the process.
func withProxies(t *testing.T, set map[string]string) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, set[name])
	}
}

// TestProxyIsTold: --check and the log of a start name the proxy to each intake, without
// its password.
//
//nolint:paralleltest // it sets the environment
func TestProxyIsTold(t *testing.T) {
	const canary = "canary-7f3a"
	tenants := file(t, "tenants:\n- {name: shop, certificates: [shop], intake: {url: 'http://direct.test/'}}\n")
	withProxies(t, map[string]string{
		"HTTPS_PROXY": "socks5://me:" + canary + "@safe.test:1080", "http_proxy": "me:" + canary + "@plain.test:3128",
		"NO_PROXY": "direct.test",
	})
	args := []string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "none", "--intake-url", "https://intake.test/in",
		"--additional-intake", "http://other.test/in", "--tenants-file", tenants, "--insecure-listen",
	}
	check := execute(t, "", append(args, "--check")...)
	s := startCommand(t, noVariables, args...)
	s.address()
	s.stop()
	for _, want := range []struct{ check, log string }{
		{"proxy to https://intake.test: socks5://safe.test:1080", "url=https://intake.test/in"},
		{"proxy to http://other.test: http://plain.test:3128", "intake=http://other.test proxy=http://plain.test:3128"},
		{"proxy to http://direct.test: none", "intake=http://direct.test proxy=none"},
	} {
		if !strings.Contains(check.stdout, want.check) {
			t.Errorf("no %q in what --check says: %+v", want.check, check)
		}
		if log := s.stderr.String(); !strings.Contains(log, want.log) {
			t.Errorf("no %q in the log:\n%s", want.log, log)
		}
	}
	if !strings.Contains(s.stderr.String(), "proxy=socks5://safe.test:1080") {
		t.Errorf("the log does not name the proxy:\n%s", s.stderr.String())
	}
	if all := check.stdout + check.stderr + s.stderr.String(); strings.Contains(all, canary) {
		t.Errorf("a password is told:\n%s", all)
	}
}

// TestProxyIsRefused sets a variable to an invalid proxy.
//
//nolint:paralleltest // it sets the environment
func TestProxyIsRefused(t *testing.T) {
	const canary = "canary-7f3a"
	ndjson := file(t, `{"scope_type":"FILE"}`)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		withProxies(t, map[string]string{name: "http://u:p%40%p" + canary + "@proxy:3128"})
		for _, args := range [][]string{
			{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "none"},
			{"serve", "--check"},
			{"upload", "--server", "server.invalid:1", "--service", "shop", "--language", "ruby", ndjson},
		} {
			if args[0] == "upload" && !strings.HasPrefix(strings.ToUpper(name), "HTTPS") {
				continue // gRPC does not look at it
			}
			got := execute(t, "", args...)
			if got.code != exitUsage || !strings.Contains(got.stderr, name+" is not the address of a proxy") {
				t.Errorf("%s, %s: %+v, want code %v and %q in it", name, args[0], got, exitUsage, name+" is not the address of a proxy")
			}
			if strings.Contains(got.stdout+got.stderr, canary) {
				t.Errorf("a password is told: %+v", got)
			}
		}
	}
}
