package intake

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// maxAnswerHeaderBytes bounds the headers of an answer, those of the interim
// answers (1xx) in front of it included, and a proxy's.
const maxAnswerHeaderBytes = 64 << 10

// newTransport returns the transport of one TLS configuration.
func (c *Client) newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyURL(c.proxy),
		OnProxyConnectResponse: proxyAnswered,
		DialContext:            c.conns.dialing(c.dial),
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        config.Clone(), // it is changed
		TLSHandshakeTimeout:    10 * time.Second,
		// As net/http counts them: one that is just being closed is none any more.
		MaxConnsPerHost:        c.config.MaxConnections,
		MaxIdleConnsPerHost:    c.config.MaxConnections,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswerHeaderBytes,
	}
}

// dialTo returns what dials the unix socket, or where none is named the address.
func dialTo(socket string) dialFunc {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if socket == "" {
		return dialer.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", socket)
	}
}
