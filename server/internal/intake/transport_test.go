package intake

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/scopegate/scopegate/integration/wait"
)

// TestReplacedTransportKeepsNoConnection has a transport replaced by another request
// when one has been given it, and not yet begun.
func TestReplacedTransportKeepsNoConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "taken")
	}))
	closed := make(chan struct{})
	tellClosed := sync.OnceFunc(func() { close(closed) })
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			tellClosed()
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	var config atomic.Pointer[tls.Config]
	config.Store(&tls.Config{MinVersion: tls.VersionTLS12})
	var r *reloader
	var replace sync.Once
	r = newReloader(config.Load, func(*tls.Config) *http.Transport {
		return &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { // is asked before there is a connection
			replace.Do(func() {
				config.Store(&tls.Config{MinVersion: tls.VersionTLS13})
				r.transport()
			})
			return nil, nil //nolint:nilnil // no proxy
		}}
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := r.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Error(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	wait.Receive(t, closed, "its connection to be closed")
}

// Close builds no transport, and does not ask for another TLS configuration.
func TestCloseBuildsNoTransport(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	client, err := New(Config{URL: "https://intake.invalid/", MaxConnections: 1, TLS: func() *tls.Config {
		asked.Add(1)
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}})
	if err != nil {
		t.Fatal(err)
	}
	client.Close()
	if n := asked.Load(); n != 0 || client.reloader.current != nil {
		t.Errorf("Close asked %d times for a TLS configuration, and the transport is %v; want 0 and none", n, client.reloader.current)
	}
}
