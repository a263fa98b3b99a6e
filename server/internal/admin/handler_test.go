package admin_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/admin"
)

func TestMain(m *testing.M) { leak.Verify(m) }

func newConfig(t *testing.T) admin.Config {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "scopegate_test", Help: "A test."}))
	return admin.Config{Metrics: registry, Ready: func() bool { return true }}
}

// answer is what a request has got.
type answer struct {
	status int
	header http.Header
	body   string
}

// request asks the handler over a real connection.
func request(t *testing.T, cfg admin.Config, change func(*http.Request)) answer {
	t.Helper()
	server := httptest.NewServer(admin.NewHandler(cfg))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	change(req)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path, text string
		status     int
	}{
		{"/metrics", "scopegate_test 0", http.StatusOK},
		{"/healthz", "ok", http.StatusOK},
		{"/readyz", "ok", http.StatusOK},
		{"/debug/pprof/", "goroutine", http.StatusOK},
		{"/debug/pprof/goroutine?debug=1", "goroutine profile", http.StatusOK},
		{"/debug/pprof/heap?debug=1", "heap profile", http.StatusOK},
		{"/debug/pprof/cmdline", "Unknown profile", http.StatusNotFound},
		{"/", "/metrics", http.StatusOK},
		{"/nothing", "not found", http.StatusNotFound},
	} {
		got := request(t, newConfig(t), func(r *http.Request) {
			target, err := r.URL.Parse(test.path)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = target
		})
		if got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%s: %d, %.200s, want status %v and %q in it", test.path, got.status, got.body, test.status, test.text)
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Access-Control-Allow-Origin": "", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if value := got.header.Get(header); value != want {
				t.Errorf("%s: %s is %q, want %v", test.path, header, value, want)
			}
		}
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	cfg.Ready = func() bool { return false }
	got := request(t, cfg, func(r *http.Request) { r.URL.Path = "/readyz" })
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d, want %v", got.status, http.StatusServiceUnavailable)
	}
	got = request(t, cfg, func(r *http.Request) { r.URL.Path = "/healthz" })
	if got.status != http.StatusOK {
		t.Errorf("/healthz: %d, want %v", got.status, http.StatusOK)
	}
}

// The page is what / and all paths below it show.
func TestPage(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	cfg.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	for _, path := range []string{"/", "/events", "/status.json"} {
		if got := request(t, cfg, func(r *http.Request) { r.URL.Path = path }); got.body != "page "+path {
			t.Errorf("%s: %s, want %v", path, got.body, "page "+path)
		}
	}
}

// A site that has its own name resolve to this host is turned away.
func TestHost(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	cfg.Hosts = []string{"gate.internal", "Dotted.internal.", "ported.internal:6060"}
	for host, want := range map[string]int{
		"localhost":                       http.StatusOK,
		"LOCALHOST:6060":                  http.StatusOK,
		"localhost.":                      http.StatusOK,
		"localhost.:6060":                 http.StatusOK,
		":6060":                           http.StatusOK,
		"127.0.0.1.:6060":                 http.StatusOK,
		"[fe80::1%25eth0]:6060":           http.StatusOK,
		"scopegate.localhost:1":           http.StatusOK,
		"127.0.0.1:6060":                  http.StatusOK,
		"[::1]:6060":                      http.StatusOK,
		"[::1]":                           http.StatusOK,
		"10.1.2.3:6060":                   http.StatusOK,
		"gate.internal:6060":              http.StatusOK,
		"Gate.Internal":                   http.StatusOK,
		"gate.internal.:6060":             http.StatusOK,
		"dotted.internal":                 http.StatusOK,
		"ported.internal:1":               http.StatusOK,
		"evil.example":                    http.StatusMisdirectedRequest,
		"evil.example:6060":               http.StatusMisdirectedRequest,
		"127.0.0.1.evil.example":          http.StatusMisdirectedRequest,
		"localhost.evil.example":          http.StatusMisdirectedRequest,
		"evillocalhost":                   http.StatusMisdirectedRequest,
		".evil.example":                   http.StatusMisdirectedRequest,
		".":                               http.StatusOK, // no name either
		"sub.gate.internal":               http.StatusMisdirectedRequest,
		"gate.internal.evil.example:6060": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/metrics", "/", "/debug/pprof/", "/healthz"} {
			got := request(t, cfg, func(r *http.Request) { r.Host, r.URL.Path = host, path })
			if got.status != want {
				t.Errorf("Host %s, %s: %d, want %d", host, path, got.status, want)
			}
		}
	}
}

// A page of another site can't have a browser make a profile, or read metrics.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path, site, mode string
		want             int
	}{
		{"/metrics", "same-origin", "cors", http.StatusOK},
		{"/metrics", "none", "navigate", http.StatusOK},
		{"/metrics", "cross-site", "no-cors", http.StatusForbidden},
		{"/metrics", "same-site", "no-cors", http.StatusForbidden},
		{"/debug/pprof/heap", "cross-site", "no-cors", http.StatusForbidden},
		{"/debug/pprof/heap", "cross-site", "navigate", http.StatusForbidden},
		{"/status.json", "cross-site", "navigate", http.StatusForbidden},
		{"/", "cross-site", "navigate", http.StatusOK},
		{"/", "cross-site", "no-cors", http.StatusForbidden},
	} {
		got := request(t, newConfig(t), func(r *http.Request) {
			r.URL.Path = test.path
			r.Header.Set("Sec-Fetch-Site", test.site)
			r.Header.Set("Sec-Fetch-Mode", test.mode)
		})
		if got.status != test.want {
			t.Errorf("%+v: %d, want %v", test, got.status, test.want)
		}
	}
}

// Other hosts see metrics and health, and the rest only where it is open.
func TestOtherHosts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		peer, path string
		open       bool
		want       int
	}{
		{"10.0.0.7:1234", "/metrics", false, http.StatusOK},
		{"10.0.0.7:1234", "/readyz", false, http.StatusOK},
		{"10.0.0.7:1234", "/", false, http.StatusForbidden},
		{"10.0.0.7:1234", "/status.json", false, http.StatusForbidden},
		{"10.0.0.7:1234", "/debug/pprof/heap", false, http.StatusForbidden},
		{"10.0.0.7:1234", "/", true, http.StatusOK},
		{"10.0.0.7:1234", "/debug/pprof/heap", true, http.StatusOK},
		{"[::ffff:127.0.0.1]:1234", "/", false, http.StatusOK},
		{"[::1]:1234", "/", false, http.StatusOK},
		{"", "/", false, http.StatusForbidden},
	} {
		cfg := newConfig(t)
		cfg.Open = test.open
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://10.0.0.1"+test.path, http.NoBody)
		r.RemoteAddr = test.peer
		w := httptest.NewRecorder()
		admin.NewHandler(cfg).ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%+v: %d, want %v", test, w.Code, test.want)
		}
	}
}

// Who can open a unix socket is on this host.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(admin.NewHandler(newConfig(t)))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	defer server.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	for _, host := range []string{"localhost", "admin"} { // where there is a socket, the name means nothing
		resp, err := (&http.Client{Transport: transport}).Get("http://" + host + "/debug/pprof/")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, want %v", host, resp.StatusCode, http.StatusOK)
		}
	}
}

// exchange sends a request as it is, closes the sending side, and returns the first
// line of the answer and the rest.
func exchange(t *testing.T, cfg admin.Config, request string) (status, rest string) {
	t.Helper()
	server := httptest.NewServer(admin.NewHandler(cfg))
	defer server.Close()
	address, err := net.ResolveTCPAddr("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTCP("tcp", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	status, rest, _ = strings.Cut(string(answer), "\r\n")
	return status, rest
}

// Health checks of load balancers send no Host, or an empty one, and may close their
// sending side behind the request. HAProxy's ask with OPTIONS unless told otherwise.
func TestHealthChecks(t *testing.T) {
	t.Parallel()
	cfg, down := newConfig(t), newConfig(t)
	down.Ready = func() bool { return false }
	for request, want := range map[string]string{
		"GET /readyz HTTP/1.0\r\n\r\n":                                            "200 OK",
		"GET /healthz HTTP/1.0\r\n\r\n":                                           "200 OK",
		"GET /metrics HTTP/1.0\r\n\r\n":                                           "200 OK",
		"GET / HTTP/1.0\r\n\r\n":                                                  "200 OK",
		"GET /readyz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n":              "200 OK",
		"HEAD /readyz HTTP/1.0\r\n\r\n":                                           "200 OK",
		"HEAD /metrics HTTP/1.0\r\n\r\n":                                          "200 OK",
		"OPTIONS /readyz HTTP/1.0\r\n\r\n":                                        "200 OK",
		"OPTIONS / HTTP/1.0\r\n\r\n":                                              "204 No Content",
		"OPTIONS /metrics HTTP/1.0\r\n\r\n":                                       "204 No Content",
		"OPTIONS * HTTP/1.0\r\n\r\n":                                              "200 OK",
		"POST /readyz HTTP/1.0\r\n\r\n":                                           "405 Method Not Allowed",
		"POST /metrics HTTP/1.0\r\n\r\n":                                          "405 Method Not Allowed",
		"GET /readyz HTTP/1.0\r\nHost: evil.example\r\n\r\n":                      "421 Misdirected Request",
		"OPTIONS /readyz HTTP/1.0\r\nHost: evil.example\r\n\r\n":                  "421 Misdirected Request",
		"GET http://evil.example/readyz HTTP/1.0\r\n\r\n":                         "421 Misdirected Request",
		"OPTIONS / HTTP/1.0\r\nSec-Fetch-Site: cross-site\r\n\r\n":                "403 Forbidden",
		"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n":                       "400 Bad Request: missing required Host header",
		"GET /readyz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n": "400 Bad Request",
	} {
		if status, _ := exchange(t, cfg, request); !strings.HasSuffix(status, want) {
			t.Errorf("%q: %s, want %q at its end", request, status, want)
		}
	}
	for _, request := range []string{"GET /readyz HTTP/1.0\r\n\r\n", "OPTIONS /readyz HTTP/1.0\r\n\r\n"} {
		if status, _ := exchange(t, down, request); !strings.HasSuffix(status, "503 Service Unavailable") {
			t.Errorf("%q where uploads are not taken: %s", request, status)
		}
	}
}

// slow is a gatherer that takes a while.
type slow struct{ prometheus.Gatherer }

func (g slow) Gather() ([]*dto.MetricFamily, error) {
	<-time.After(time.Second)
	return g.Gatherer.Gather()
}

// net/http ends a request's context when its client closes the sending side, though
// it may still read.
func TestMetricsOfHalfClosedConnection(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	if status, rest := exchange(t, cfg, "GET /metrics HTTP/1.0\r\n\r\n"); !strings.HasSuffix(status, "200 OK") ||
		!strings.Contains(rest, "scopegate_test 0") {
		t.Errorf("%s, want %q at its end and %q in it\n%s", status, "200 OK", "scopegate_test 0", rest)
	}
	synctest.Test(t, func(t *testing.T) {
		cfg.Metrics = slow{cfg.Metrics}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		admin.NewHandler(cfg).ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/metrics", http.NoBody))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "scopegate_test 0") {
			t.Errorf("%d, want Code %v and %q in it\n%s", w.Code, http.StatusOK, "scopegate_test 0", w.Body)
		}
	})
}

// TestScrapesWait has many ask for metrics at once: none is refused, and few are served
// at a time.
func TestScrapesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const scrapes, atOnce = 100, 8
		var gathering, most atomic.Int64
		cfg := newConfig(t)
		gather := cfg.Metrics.Gather
		cfg.Metrics = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			now := gathering.Add(1)
			defer gathering.Add(-1)
			most.Store(max(most.Load(), now))
			<-time.After(time.Millisecond)
			return gather()
		})
		handler := admin.NewHandler(cfg)
		var all sync.WaitGroup
		for range scrapes {
			all.Go(func() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/metrics", http.NoBody))
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "scopegate_test") {
					t.Errorf("%d: %s, want Code %v and %q in it", w.Code, w.Body, http.StatusOK, "scopegate_test")
				}
			})
		}
		all.Wait()
		if most.Load() != atOnce {
			t.Errorf("%d gathered at a time, want %d", most.Load(), atOnce)
		}
	})
}
