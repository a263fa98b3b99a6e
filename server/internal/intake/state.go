package intake

import "time"

// Health is the state of an intake as its client sees it.
type Health string

// The states of an intake.
const (
	// Up accepts batches, or refuses them for themselves.
	Up Health = "up"
	// Throttled has asked for a pause with Retry-After.
	Throttled Health = "throttled"
	// Down has failed so often in a row that nothing is sent for a while.
	Down Health = "down"
	// Probing was down and is sent one batch at a time, to find out whether it is up
	// again.
	Probing Health = "probing"
)

// State describes a client at one moment.
type State struct {
	Health Health
	// RetryAt is when the next attempt may start, if none may now; else zero.
	RetryAt time.Time
	// Connections is the number of open connections, and MaxConnections their limit.
	Connections, MaxConnections int
	// Posting is the number of batches that have a turn. Waiting is the number that
	// wait for one; 0 during an outage, when they wait for the intake.
	Posting, Waiting int
}

// State returns the current state.
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
