package intake

import "net/http"

// SetTransport has the client's requests go through rt.
func (c *Client) SetTransport(rt http.RoundTripper) { c.transport = rt }
