package intake

import (
	"context"
	"net"
	"net/http"
)

// SetTransport has the client's requests go through rt.
func (c *Client) SetTransport(rt http.RoundTripper) { c.transport = rt }

// SetDial has the client's connections come from dial.
func (c *Client) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	transport := newTransport("", c.config.MaxConnections)
	transport.DialContext = countedDial(dial)
	c.pool, c.transport = transport, transport
}

// SetTurns has n attempts go on at once, whatever the connections.
func (c *Client) SetTurns(n int) { c.turns = newTurns(n) }

// ClassOf returns the class of an attempt that was answered so.
func ClassOf(status int) Class { return judgeStatus(status).class }
