package intake

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// SetTransport has the client's requests go through rt.
func (c *Client) SetTransport(rt http.RoundTripper) { c.transport = rt }

// SetDial has the client's connections come from dial.
func (c *Client) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	transport := newTransport("", c.config.MaxConnections, &tls.Config{MinVersion: tls.VersionTLS12})
	transport.DialContext = countedDial(dial)
	c.transport = transport
}

// SetTurns has n attempts go on at once, whatever the connections.
func (c *Client) SetTurns(n int) { c.turns = newTurns(n) }
