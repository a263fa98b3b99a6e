package intake

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// maxAnswerHeaderBytes limits the headers of an answer, including those of the interim
// answers (1xx) before it, and the headers of a proxy's answer.
const maxAnswerHeaderBytes = 64 << 10

// ConnectionBytes is the memory to account for a connection to an intake: as measured with
// `make loadtest`, and the longest headers of an answer.
const ConnectionBytes = 104<<10 + maxAnswerHeaderBytes

func (c *Client) newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyURL(c.proxy),
		OnProxyConnectResponse: checkProxyAnswer,
		DialContext:            c.conns.wrap(c.dial),
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

// newDialer returns a function that dials the unix socket, or the address if there is none.
func newDialer(socket string) dialFunc {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if socket == "" {
		return dialer.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}
}

// reloader replaces its transport when the TLS configuration changes. Requests on the old
// transport continue, and its connections are closed when they become idle. An HTTP/2
// connection whose last stream is just ending is closed after IdleConnTimeout.
type reloader struct {
	newTransport func(*tls.Config) *http.Transport
	config       func() *tls.Config

	mu            sync.Mutex
	current       *http.Transport
	currentConfig *tls.Config
}

func newReloader(config func() *tls.Config, newTransport func(*tls.Config) *http.Transport) *reloader {
	if config == nil {
		fixed := &tls.Config{MinVersion: tls.VersionTLS12}
		config = func() *tls.Config { return fixed }
	}
	return &reloader{newTransport: newTransport, config: config}
}

func (r *reloader) transport() *http.Transport {
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

// closeIdle closes the idle connections of the current transport, if there is one. With TLS
// it tells the server so.
func (r *reloader) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil {
		r.current.CloseIdleConnections()
	}
}

// RoundTrip sends the request on the current transport.
func (r *reloader) RoundTrip(request *http.Request) (*http.Response, error) {
	used := r.transport()
	resp, err := used.RoundTrip(request)
	if err != nil {
		r.closeIfReplaced(used)
		return nil, err
	}
	resp.Body = &closeNotifier{ReadCloser: resp.Body, closed: func() { r.closeIfReplaced(used) }}
	return resp, nil
}

// closeIfReplaced closes the idle connections of a transport that was replaced while it
// was used. A transport keeps the connection of a request that ends after
// CloseIdleConnections.
func (r *reloader) closeIfReplaced(used *http.Transport) {
	r.mu.Lock()
	replaced := used != r.current
	r.mu.Unlock()
	if replaced {
		used.CloseIdleConnections()
	}
}

// closeNotifier calls closed after Close, when the connection is idle.
type closeNotifier struct {
	io.ReadCloser
	closed func()
}

func (b *closeNotifier) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

// Traced records each attempt as a span, in the trace of Forward's context, and sends
// the intake its W3C Trace Context. The span has the URL without user and query, and no
// headers.
func Traced(provider trace.TracerProvider) Option {
	return func(c *Client) {
		c.shown = &url.URL{Scheme: c.url.Scheme, Host: c.url.Host, Path: c.url.Path, RawPath: c.url.RawPath}
		c.transport = otelhttp.NewTransport(redirector{next: c.transport},
			otelhttp.WithTracerProvider(provider),
			otelhttp.WithMeterProvider(metricnoop.NewMeterProvider()),
			otelhttp.WithPropagators(propagation.TraceContext{}),
			otelhttp.WithSpanNameFormatter(func(string, *http.Request) string { return "attempt" }))
	}
}

// redirector sends requests to the full URL, which spans must not contain.
type redirector struct{ next http.RoundTripper }

// targetKey is the context key of a request's full URL.
type targetKey struct{}

// RoundTrip sends the request to its full URL.
func (r redirector) RoundTrip(req *http.Request) (*http.Response, error) {
	sent := *req // Clone would copy the headers too
	sent.URL, _ = req.Context().Value(targetKey{}).(*url.URL)
	return r.next.RoundTrip(&sent)
}
