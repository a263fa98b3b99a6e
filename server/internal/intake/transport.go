package intake

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxAnswerHeaderBytes limits the headers of an answer, including those of the interim
// answers (1xx) before it, and the headers of a proxy's answer.
const maxAnswerHeaderBytes = 64 << 10

// newTransport returns a transport for one TLS configuration.
func (c *Client) newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyURL(c.proxy),
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            c.conns.dialing(c.dial),
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        config.Clone(), // the transport changes it
		TLSHandshakeTimeout:    10 * time.Second,
		// net/http does not count a connection that is being closed.
		MaxConnsPerHost:        c.config.MaxConnections,
		MaxIdleConnsPerHost:    c.config.MaxConnections,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
	}
}

// dialTo returns a function that dials the unix socket, or the address if there is none.
func dialTo(socket string) dialFunc {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if socket == "" {
		return dialer.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}
}

// renewed replaces its transport when the TLS configuration changes. Requests on the old
// transport continue; turns limits how many there are. Old connections are closed when
// they become idle. One of HTTP/2 with a stream that is just ending is closed after
// IdleConnTimeout.
type renewed struct {
	newTransport func(*tls.Config) *http.Transport
	config       func() *tls.Config

	mu            sync.Mutex
	current       *http.Transport
	currentConfig *tls.Config
}

func newRenewed(config func() *tls.Config, newTransport func(*tls.Config) *http.Transport) *renewed {
	if config == nil {
		fixed := &tls.Config{MinVersion: tls.VersionTLS12}
		config = func() *tls.Config { return fixed }
	}
	return &renewed{newTransport: newTransport, config: config}
}

func (r *renewed) transport() *http.Transport {
	config := r.config()
	r.mu.Lock()
	defer r.mu.Unlock()
	if config == r.currentConfig {
		return r.current
	}
	if r.current != nil {
		defer r.current.CloseIdleConnections()
	}
	r.current, r.currentConfig = r.newTransport(config), config
	return r.current
}

// RoundTrip sends the request on the current transport.
func (r *renewed) RoundTrip(request *http.Request) (*http.Response, error) {
	used := r.transport()
	resp, err := used.RoundTrip(request)
	if err != nil {
		r.closeIfReplaced(used)
		return nil, err
	}
	resp.Body = &notifyingBody{ReadCloser: resp.Body, closed: func() { r.closeIfReplaced(used) }}
	return resp, nil
}

// closeIfReplaced closes the idle connections of a transport that was replaced while it
// was used. A transport keeps the connection of a request that ends after
// CloseIdleConnections.
func (r *renewed) closeIfReplaced(used *http.Transport) {
	r.mu.Lock()
	replaced := used != r.current
	r.mu.Unlock()
	if replaced {
		used.CloseIdleConnections()
	}
}

// CloseIdleConnections closes the idle connections.
func (r *renewed) CloseIdleConnections() { r.transport().CloseIdleConnections() }

// notifyingBody calls closed after Close, when the connection is idle.
type notifyingBody struct {
	io.ReadCloser
	closed func()
}

func (b *notifyingBody) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}
