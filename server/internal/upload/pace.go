package upload

import (
	"sync/atomic"
	"time"
)

// pace detects clients that send too little. It counts only the time during which the
// server waits for the client, so a client stopped by flow control is not slow. The first
// message has its own timeout. One goroutine may call wait, stop and receive while another
// one calls check.
type pace struct {
	config *Config
	began  time.Time
	// since is when the server began to wait for the client, relative to began.
	// Negative: it is not waiting.
	since atomic.Int64
	// waited and bytes count the current period, which is IdleTimeout of waiting.
	waited   atomic.Int64
	bytes    atomic.Int64
	received atomic.Bool // the first message
}

func (p *pace) begin(config *Config) {
	p.config, p.began = config, time.Now()
	p.since.Store(0)
}

// wait records that the server begins to wait for the client, and returns the time.
func (p *pace) wait() time.Time {
	since := time.Since(p.began)
	p.since.Store(int64(since))
	return p.began.Add(since)
}

// stop records that the server no longer waits for the client.
func (p *pace) stop() {
	since := p.since.Swap(-1)
	if p.received.Swap(true) {
		p.waited.Add(int64(time.Since(p.began)) - since)
	}
}

// receive records a message.
func (p *pace) receive(bytes int) { p.bytes.Add(int64(bytes)) }

// check returns an error if the client has sent too little for too long, and otherwise when
// to check again.
func (p *pace) check() (time.Duration, error) {
	idle := p.config.IdleTimeout
	if idle == 0 {
		idle = maxPause
	}
	open, received := time.Since(p.began), p.received.Load() // before since, which is set first
	var waiting time.Duration
	if since := p.since.Load(); since >= 0 {
		waiting = max(0, open-time.Duration(since))
	}
	if !received {
		if waiting >= p.config.FirstMessageTimeout {
			return 0, errNoMetadata
		}
		return min(p.config.FirstMessageTimeout-waiting, idle), nil
	}
	waited := time.Duration(p.waited.Load()) + waiting
	if waited < idle {
		return min(max(idle-waited, idle/maxChecks), maxPause), nil
	}
	least := max(1, int64(float64(p.config.MinBytesPerSecond)*idle.Seconds()))
	if p.config.IdleTimeout > 0 && p.bytes.Load() < least {
		return 0, ErrTooSlow
	}
	p.bytes.Store(0)
	p.waited.Store(-int64(waiting)) // the current wait counts from now on only
	return min(idle, maxPause), nil
}

// maxPause is the longest time between two checks.
const maxPause = time.Hour

// maxChecks limits the checks during an IdleTimeout. What is left of it may be short and
// does not pass while the server is not waiting.
const maxChecks = 64
