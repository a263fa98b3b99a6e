package intake

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// State is whether batches are sent to the intake at present.
type State struct {
	// Down tells that the intake was found down, and only gets probes.
	Down bool
	// Spared tells that nothing is sent because it has asked for that, with
	// Retry-After.
	Spared bool
	// RetryAt is when something is sent again at the earliest, where nothing is sent
	// now; zero: any time.
	RetryAt time.Time
}

// State returns the state as of now.
func (c *Client) State() State {
	g, now := c.gate, time.Now()
	h, open := g.look(now)
	if open {
		return State{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := State{Spared: g.until.After(now), Down: g.breaker.State() != circuitbreaker.ClosedState}
	if h.wait > 0 {
		s.RetryAt = now.Add(h.wait)
	}
	return s
}

// Host returns where batches go, for people: the URL's scheme, host and port, or
// the path of the unix socket. It holds nothing secret.
func (c *Client) Host() string {
	if c.socket != "" {
		return "unix://" + c.socket
	}
	return c.url.Scheme + "://" + c.url.Host
}
