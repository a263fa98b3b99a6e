package intake

import (
	"net/http"
	"net/url"
)

// SetTransport has the client's requests go through rt.
func (c *Client) SetTransport(rt http.RoundTripper) { c.transport = rt }

// SetProxy has the client's requests go through a proxy.
func (c *Client) SetProxy(proxy *url.URL) { c.proxy = proxy }

// IsProxy reports whether a variable's value is taken for a proxy.
func IsProxy(value string) bool { return isProxy(value) }

// SetTurns has n attempts go on at once, whatever the connections.
func (c *Client) SetTurns(n int) {
	cfg := c.config
	cfg.MaxConnections = n
	c.turns = newTurns(cfg)
}

// ClassOf returns the class of an attempt that was answered so.
func ClassOf(status int) Class { return judgeStatus(status).class }

// CheckProxies is checkProxies.
func CheckProxies() error { return checkProxies() }
