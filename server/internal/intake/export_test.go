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
	c.pool.make = func(config *tls.Config) *http.Transport {
		transport := newTransport("", c.config.MaxConnections, config)
		transport.DialContext = countedDial(dial)
		return transport
	}
}

// SetTurns has n attempts go on at once, whatever the connections.
func (c *Client) SetTurns(n int) { c.turns = newTurns(n) }

// ClassOf returns the class of an attempt that was answered so.
func ClassOf(status int) Class { return judgeStatus(status).class }
