package intake

// Host returns where batches go, for people: the URL's scheme, host and port, or
// the path of the unix socket. It holds nothing secret.
func (c *Client) Host() string {
	if c.socket != "" {
		return "unix://" + c.socket
	}
	return c.url.Scheme + "://" + c.url.Host
}
