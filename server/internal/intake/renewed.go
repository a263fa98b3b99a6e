package intake

import (
	"crypto/tls"
	"io"
	"net/http"
	"sync"
)

// renewed is a transport that is replaced when its TLS configuration is. What the
// one before has in flight goes on, within the bound that turns set; its
// connections are closed as they become idle, or where HTTP/2 has a stream left that
// is just ending, after IdleConnTimeout.
type renewed struct {
	make   func(*tls.Config) *http.Transport
	config func() *tls.Config

	mu      sync.Mutex
	current *http.Transport
	of      *tls.Config
}

func newRenewed(config func() *tls.Config, makeOne func(*tls.Config) *http.Transport) *renewed {
	if config == nil {
		fixed := &tls.Config{MinVersion: tls.VersionTLS12}
		config = func() *tls.Config { return fixed }
	}
	return &renewed{make: makeOne, config: config}
}

func (r *renewed) transport() *http.Transport {
	config := r.config()
	r.mu.Lock()
	defer r.mu.Unlock()
	if config == r.of {
		return r.current
	}
	if r.current != nil {
		defer r.current.CloseIdleConnections()
	}
	r.current, r.of = r.make(config), config
	return r.current
}

// RoundTrip is http.RoundTripper's.
func (r *renewed) RoundTrip(request *http.Request) (*http.Response, error) {
	used := r.transport()
	resp, err := used.RoundTrip(request)
	if err != nil {
		r.release(used)
		return nil, err
	}
	resp.Body = &releasingBody{ReadCloser: resp.Body, release: func() { r.release(used) }}
	return resp, nil
}

// release closes the idle connections of a transport that has been replaced since
// it was used: what is sent through one keeps the next connection that becomes
// idle, even where all were closed just before.
func (r *renewed) release(used *http.Transport) {
	r.mu.Lock()
	replaced := used != r.current
	r.mu.Unlock()
	if replaced {
		used.CloseIdleConnections()
	}
}

// CloseIdleConnections closes the connections that are idle.
func (r *renewed) CloseIdleConnections() { r.transport().CloseIdleConnections() }

// releasingBody is the body of an answer, with whose end its connection is idle.
type releasingBody struct {
	io.ReadCloser
	release func()
}

func (b *releasingBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
