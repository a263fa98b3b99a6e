package intake

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// newTransport returns the transport, over a unix socket if one is named. It has
// at most so many connections, as net/http counts: one that is just being closed
// is none any more.
func newTransport(socket string, maxConnections int, config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         countedDial(dialer.DialContext),
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     config.Clone(), // it is changed
		TLSHandshakeTimeout: 10 * time.Second,
		MaxConnsPerHost:     maxConnections,
		MaxIdleConnsPerHost: maxConnections,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
	if socket != "" {
		transport.Proxy = nil
		transport.DialContext = countedDial(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		})
	}
	return transport
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// countedDial returns a dial of connections that count, which ends with the
// attempt that it is for.
func countedDial(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if attempt, ok := ctx.Value(attemptKey{}).(context.Context); ok {
			defer context.AfterFunc(attempt, cancel)() //nolint:contextcheck // ctx does not end with its request
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
}

// attemptKey is the key of an attempt's context in the values of what comes of it.
type attemptKey struct{}

// withAttempt makes the context known to dialling. The transport lets a dial go on
// when its request has ended; for as long, it would take a connection from the
// next attempt, whose turn it already is.
func withAttempt(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, ctx)
}
