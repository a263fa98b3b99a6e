package upload

import (
	"sync/atomic"
	"time"
)

// pace watches how a client keeps sending. Its time is only counted while the
// server waits for it: one that is stopped by flow control is not slow. For the
// first message it has a time of its own. The methods are safe for one goroutine
// that receives beside another one that checks.
type pace struct {
	config *Config
	began  time.Time
	// since is when the server began to wait for the client, as time since began;
	// negative: it does not.
	since atomic.Int64
	// waited and bytes are those of the current period, which lasts IdleTimeout.
	waited   atomic.Int64
	bytes    atomic.Int64
	received atomic.Bool // anything, ever
}

func (p *pace) begin(config *Config) {
	p.config, p.began = config, time.Now()
	p.since.Store(0)
}

// wait tells that the server waits for the client from now on.
func (p *pace) wait() { p.since.Store(int64(time.Since(p.began))) }

// receive tells that the client has sent a message.
func (p *pace) receive(bytes int) {
	p.bytes.Add(int64(bytes))
	since := p.since.Swap(-1)
	if p.received.Swap(true) {
		p.waited.Add(int64(time.Since(p.began)) - since)
	}
}

// check returns when to look again, or why the stream is to end: it has sent too
// little for too long.
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
	p.waited.Store(-int64(waiting)) // what it waits now counts from now on
	return min(idle, maxPause), nil
}

// maxPause is when to look again, at the latest.
const maxPause = time.Hour

// maxChecks is how often it is looked, at most, while IdleTimeout passes: the rest
// of it may be short, and not go by, as long as the server does not wait.
const maxChecks = 64
