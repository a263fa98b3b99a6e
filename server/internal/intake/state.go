package intake

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// Health is what the client takes the intake for.
type Health string

// The states of an intake, as the client sees it.
const (
	// Up takes what it gets.
	Up Health = "up"
	// Throttled has asked to be left alone for a while.
	Throttled Health = "throttled"
	// Down has failed so often in a row that it is left alone for a while.
	Down Health = "down"
	// Probing was down, and gets one batch at a time to find out whether it still
	// is.
	Probing Health = "probing"
)

// State is what a client does now.
type State struct {
	Health Health
	// RetryAt is when something is sent again at the earliest, where nothing is sent
	// now; zero: any time.
	RetryAt time.Time
	// Connections is how many connections are open, and MaxConnections how many
	// there may be.
	Connections, MaxConnections int
	// Posting is how many batches have their turn, and Waiting how many wait for
	// it.
	Posting, Waiting int
}

// State returns what the client does now.
func (c *Client) State() State {
	now := time.Now()
	s := State{
		Health:         c.gate.health(now),
		Connections:    c.conns.count(),
		MaxConnections: c.config.MaxConnections,
	}
	if h, open := c.gate.look(now); !open && h.wait > 0 {
		s.RetryAt = now.Add(h.wait)
	}
	s.Posting, s.Waiting = c.turns.state()
	return s
}

// health returns what the gate takes the intake for.
func (g *gate) health(now time.Time) Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until.After(now) {
		return Throttled
	}
	switch g.breaker.State() {
	case circuitbreaker.OpenState:
		return Down
	case circuitbreaker.HalfOpenState:
		return Probing
	case circuitbreaker.ClosedState:
	}
	return Up
}

func (t *turns) state() (taken, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limit - t.free, t.waiting
}
