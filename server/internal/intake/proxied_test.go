package intake_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// TestProxyStandsInTheWay has a proxy not lead to the intake: attempts end by their
// timeout, connections with their attempts, and errors name the proxy.
func TestProxyStandsInTheWay(t *testing.T) {
	t.Parallel()
	const timeout = 5 * time.Second
	const password = "hush-hush"
	long := strings.Repeat("x", 40<<10)
	for name, test := range map[string]struct {
		target string // empty: one of https
		proxy  string // the scheme; empty: http
		answer func(net.Conn)
		class  intake.Class
		most   time.Duration
		want   string // in the error
	}{
		"407":                      {answer: says("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n"), class: intake.ClassUnreachable, want: "refused CONNECT with 407 Proxy Authentication Required"},
		"403":                      {answer: says("HTTP/1.1 403 " + password + "\r\n\r\n"), class: intake.ClassUnreachable, want: "refused CONNECT with 403 Forbidden"},
		"502":                      {answer: says("HTTP/1.1 502 " + long + "\r\n\r\n"), class: intake.ClassUnreachable, want: "refused CONNECT with 502 Bad Gateway"},
		"a status of its own":      {answer: says("HTTP/1.1 799 No\r\n\r\n"), class: intake.ClassUnreachable, want: "refused CONNECT with 799"},
		"101":                      {answer: says("HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), class: intake.ClassUnreachable, want: "refused CONNECT with 101"},
		"nothing":                  {answer: says(), class: intake.ClassTimeout, most: timeout, want: "no answer in time"},
		"closed":                   {answer: func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 16)) }, class: intake.ClassUnreachable},
		"no HTTP":                  {answer: says(long + "\r\n"), class: intake.ClassUnreachable, want: "malformed"},
		"headers without end":      {answer: endlessly(0, "HTTP/1.1 200 OK\r\n", "X: "+strings.Repeat("x", 1<<10)+"\r\n"), class: intake.ClassUnreachable},
		"headers that trickle":     {answer: endlessly(time.Second, "HTTP/1.1 200 OK\r\nX: ", "x"), class: intake.ClassTimeout, most: timeout},
		"a tunnel to nowhere":      {answer: says("HTTP/1.1 200 OK\r\n\r\n"), class: intake.ClassTimeout, most: timeout},
		"TLS to it that hangs":     {proxy: "https", answer: says(), class: intake.ClassTimeout, most: timeout},
		"SOCKS that hangs":         {proxy: "socks5", answer: says(), class: intake.ClassTimeout, most: timeout},
		"SOCKS that is none":       {proxy: "socks5", answer: noSOCKS, class: intake.ClassUnreachable, want: "socks connect"},
		"SOCKS, in front of plain": {target: "http://intake.test/", proxy: "socks5", answer: says(), class: intake.ClassTimeout, most: timeout},
		"relaying, 407":            {target: "http://intake.test/", answer: says("HTTP/1.1 407 Who\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), class: intake.ClassRefused, want: "intake or proxy http://proxy.test:3128 answered 407"},
		"relaying, hanging":        {target: "http://intake.test/", answer: says(), class: intake.ClassTimeout, most: timeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen attempts
				target := test.target
				if target == "" {
					target = "https://intake.test/"
				}
				client := newClient(t, intake.Config{
					URL: target, PostTimeout: timeout, BatchDeadline: timeout, MaxConnections: 1, Retry: once(),
				}, intake.OnAttempt(seen.add))
				proxy := &url.URL{Scheme: "http", Host: "proxy.test:3128", User: url.UserPassword("me", password)}
				if test.proxy != "" {
					proxy.Scheme = test.proxy
				}
				client.SetProxy(proxy)
				var connections atomic.Int32
				handling := piped(client, func(conn net.Conn) {
					connections.Add(1)
					test.answer(conn)
				})
				for range 2 { // the second does not wait for the connection of the first
					begin := time.Now()
					failed := failure(t, client, t.Context())
					if took := time.Since(begin); took > test.most {
						t.Errorf("it took %v, want at most %v", took, test.most)
					}
					text := failed.Error()
					if !strings.Contains(text, "proxy "+client.Proxy()) || !strings.Contains(text, test.want) {
						t.Errorf("%q does not name the proxy, or %q", text, test.want)
					}
					if len(text) > 600 || strings.Contains(text, password) {
						t.Errorf("an error of %d bytes, want at most 600, and no password: %.600q", len(text), text)
					}
				}
				for _, a := range seen.all() {
					if a.Class != test.class {
						t.Errorf("%+v, want %s", a, test.class)
					}
				}
				if n := connections.Load(); n != 2 {
					t.Errorf("%d connections, want 2", n)
				}
				client.Close()
				handling.Wait()
			})
		})
	}
}

// noSOCKS answers a greeting of SOCKS as an HTTP proxy does.
func noSOCKS(conn net.Conn) {
	_, _ = conn.Read(make([]byte, 16))
	_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
}

// TestProxyErrorIsFound has the proxy's refusal be told from others.
func TestProxyErrorIsFound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, intake.Config{
			URL: "https://intake.test/", PostTimeout: time.Second, BatchDeadline: time.Second, Retry: once(),
		})
		client.SetProxy(&url.URL{Scheme: "http", Host: "proxy.test:3128"})
		handling := piped(client, says("HTTP/1.1 407 Who\r\n\r\n"))
		failed := failure(t, client, t.Context())
		refused, ok := errors.AsType[*intake.ProxyError](failed)
		if !ok || refused.HTTPStatus != http.StatusProxyAuthRequired || !failed.Retryable() || failed.InDoubt() {
			t.Errorf("%+v, in doubt %v, retryable %v, want 407, false, true", failed, failed.InDoubt(), failed.Retryable())
		}
		client.Close()
		handling.Wait()
	})
}

// TestCheckProxies sets each of the variables, and gets told which one is wrong.
func TestCheckProxies(t *testing.T) {
	const wrong = "http://u:p%40%hush@proxy:3128"
	names := []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"}
	for _, name := range names {
		t.Setenv(name, "")
	}
	newIntake := func(url string) (*intake.Client, error) {
		return intake.New(intake.Config{URL: url, PostTimeout: time.Second, MaxConnections: 1})
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, wrong)
			for _, url := range []string{"http://intake.test", "https://intake.test", "unix:///socket:/in"} {
				_, err := newIntake(url)
				if err == nil || !strings.HasPrefix(err.Error(), name+" is not the address of a proxy") || strings.Contains(err.Error(), "hush") {
					t.Errorf("%s: %v", url, err)
				}
			}
			t.Setenv(name, "http://u:pass@proxy.test:3128/")
			t.Setenv("NO_PROXY", "direct.test, 10.0.0.0/8")
			for _, u := range []string{"://intake.test", "://direct.test", "://10.1.1.1:99", "://127.0.0.1", "://[::1]:8126", "://localhost"} {
				client, err := newIntake(strings.ToLower(name[:strings.Index(name, "_")]) + u)
				if err != nil {
					t.Fatal(err)
				}
				want := ""
				if u == "://intake.test" {
					want = "http://proxy.test:3128"
				}
				if client.Proxy() != want {
					t.Errorf("%s: proxy %q, want %q", u, client.Proxy(), want)
				}
				client.Close()
			}
		})
	}
	t.Setenv("HTTP_PROXY", "proxy:1")
	t.Setenv("http_proxy", wrong) // does not count beside the other
	if err := intake.CheckProxies(); err != nil {
		t.Error(err)
	}
	t.Setenv("REQUEST_METHOD", "GET") // as a CGI, whose HTTP_PROXY is a request's header
	if _, err := newIntake("http://intake.test"); err == nil {
		t.Error("HTTP_PROXY of a CGI is taken")
	}
}

func TestIsProxy(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"http://proxy:3128":                true,
		"http://proxy:3128/":               true,
		"HTTP://proxy":                     true,
		"https://proxy":                    true,
		"socks5://127.0.0.1:1080":          true,
		"socks5h://me:pass@proxy:1080":     true,
		"proxy:3128":                       true,
		"proxy":                            true,
		"10.0.0.1:3128":                    true,
		"[::1]:3128":                       true,
		"http://u:p%2540%25p@proxy:3128":   true,
		"http://u:p%40%p@proxy:3128":       false,
		"u:p%40%p@proxy:3128":              false,
		"http://u:p ass@proxy:3128":        false,
		"http://proxy:port":                false,
		"http://proxy:99999":               false,
		"http://proxy:0":                   false,
		"http://proxy:":                    false,
		"http://:3128":                     false,
		"http://":                          false,
		"://proxy":                         false,
		"http:// proxy":                    false,
		"http://proxy\n":                   false,
		" ":                                false,
		"ftp://proxy:3128":                 false,
		"socks4://proxy:1080":              false,
		"file:///etc/proxy":                false,
		"http://[::1:3128":                 false,
		"http:///path":                     false,
		"\x00":                             false,
		"http://u:" + "p%zz" + "@h:1":      false,
		"direct://":                        false,
		"http://user:pass@host:80:81":      false,
		"PROXY proxy:3128; DIRECT":         false,
		"http://proxy:3128,http://other:1": false,
	} {
		if got := intake.IsProxy(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
