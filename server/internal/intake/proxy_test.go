package intake_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/server/internal/certs"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// connectProxy is a proxy for CONNECT (RFC 9110, section 9.3.6) which leads to one
// address, whatever it is asked for.
type connectProxy struct {
	to      string
	tunnels sync.WaitGroup

	mu    sync.Mutex
	asked []string // host and port, and the credentials
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", p.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack() //nolint:errcheck,forcetypeassert // it is one in HTTP/1.1
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		p.tunnels.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = here.Close(), there.Close()
		})
	}
}

func (p *connectProxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// TestProxyChild is the process of TestProxy that has its environment.
func TestProxyChild(t *testing.T) {
	t.Parallel()
	url := os.Getenv("SCOPEGATE_TEST_INTAKE")
	if url == "" {
		t.Skip("it is run by TestProxy")
	}
	var trusted func() *tls.Config
	if ca := os.Getenv("SCOPEGATE_TEST_CA"); ca != "" {
		store, err := certs.Open(certs.Files{CA: ca}, func(m certs.Material) *tls.Config {
			return &tls.Config{RootCAs: m.Authorities, MinVersion: tls.VersionTLS12}
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		trusted = store.Config
	}
	client := newClient(t, intake.Config{
		URL: url, PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: once(), TLS: trusted,
	})
	fmt.Println("forwarded:", client.Forward(t.Context(), intake.Caller{}, smallBatch()))
}

// TestProxy reaches an intake by a proxy that the environment names, or not.
func TestProxy(t *testing.T) {
	t.Parallel()
	own := pki.NewAuthority(t, "own")
	ca := pki.Write(t, t.TempDir(), "ca.crt", own.PEM)
	pair := own.Issue(t, "intake", pki.ForHost("intake.test")).TLS(t)
	dir, err := os.MkdirTemp("", "scopegate") //nolint:usetesting // t.TempDir's name can be too long for a socket's address
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	local, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	agent := &httptest.Server{Listener: local, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})}}
	agent.Start()
	t.Cleanup(agent.Close)

	const url = "https://intake.test/in"
	const token = "s3cret"
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+token))
	for name, test := range map[string]struct {
		url   string
		proxy string // in place of the proxy's own URL
		none  string // NO_PROXY
		asked string // empty: the proxy was not
		want  string // in what was printed
	}{
		"through it":        {url: url, asked: "CONNECT intake.test:443 " + authorization, want: "forwarded: <nil>"},
		"loopback":          {url: "https://127.0.0.1:PORT/in", want: "IP SANs"},
		"NO_PROXY":          {url: "https://0.0.0.0:PORT/in", none: "0.0.0.0", want: "IP SANs"},
		"NO_PROXY, another": {url: url, none: "other.test", asked: "CONNECT intake.test:443 " + authorization, want: "forwarded: <nil>"},
		"unix socket":       {url: "unix://" + socket + ":/in", want: "forwarded: <nil>"},
		"another's host":    {url: "https://other.test/in", asked: "CONNECT other.test:443 " + authorization, want: "certificate is valid for intake.test"},
		"gone":              {url: url, proxy: "http://me:" + token + "@127.0.0.1:1", want: "proxyconnect"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newSecureIntake(t, &tls.Config{Certificates: []tls.Certificate{pair}})
			proxy := &connectProxy{to: in.Listener.Addr().String()}
			front := httptest.NewServer(proxy)
			t.Cleanup(func() {
				front.Close()
				proxy.tunnels.Wait()
			})
			_, port, _ := net.SplitHostPort(proxy.to)
			given := test.proxy
			if given == "" {
				given = strings.Replace(front.URL, "http://", "http://me:"+token+"@", 1)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProxyChild$", "-test.v")
			child.Env = []string{
				"SCOPEGATE_TEST_INTAKE=" + strings.Replace(test.url, "PORT", port, 1), "SCOPEGATE_TEST_CA=" + ca,
				"HTTPS_PROXY=" + given, "HTTP_PROXY=" + given, "NO_PROXY=" + test.none,
			}
			out, err := child.CombinedOutput()
			if err != nil || !strings.Contains(string(out), test.want) {
				t.Errorf("%v: %s, want %q in it", err, out, test.want)
			}
			if strings.Contains(string(out), token) {
				t.Errorf("the proxy's password was printed: %s", out)
			}
			asked := proxy.requests()
			if test.asked == "" && len(asked) > 0 || test.asked != "" && (len(asked) == 0 || asked[0] != test.asked) {
				t.Errorf("the proxy was asked for %q, want %q", asked, test.asked)
			}
		})
	}
}
