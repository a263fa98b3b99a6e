package intake

import "time"

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
	// Posting is how many batches have their turn. Waiting is how many wait for it
	// while the intake is up.
	Posting, Waiting int
}

// State returns what the client does now.
func (c *Client) State() State {
	s := c.turns.state(time.Now())
	s.Connections, s.MaxConnections = c.conns.count(), c.config.MaxConnections
	return s
}

func (t *turns) state(now time.Time) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := State{Health: t.breaker.health(now), Posting: t.limit - t.free}
	if !t.breaker.held(now) {
		s.Waiting = t.queue.count
	} else if wait := t.breaker.wait(now); wait > 0 {
		s.RetryAt = now.Add(wait)
	}
	return s
}
