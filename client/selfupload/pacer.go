package selfupload

import (
	"context"
	"time"

	"github.com/scopegate/scopegate/client/internal/pause"
)

const (
	// slice is how long the pacer lets its goroutine work: short for other goroutines that
	// wait for the processor, and long compared with the cost of a timer.
	slice = time.Millisecond
	// maxSlice bounds the work that is counted between two calls. A longer time was spent
	// waiting, for the server or for the processor.
	maxSlice = 20 * time.Millisecond
)

// pacer limits a goroutine to a share of one core. It counts the time between its calls as
// work, even if the goroutine was not running, so that a busy program gets more.
type pacer struct {
	ctx   context.Context
	share float64
	// last is the time of the last call of pass, worked the work since the last rest.
	last   time.Time
	worked time.Duration
}

func newPacer(ctx context.Context, share float64) *pacer {
	return &pacer{ctx: ctx, share: share, last: time.Now()}
}

// pass must be called often. It makes the goroutine rest after each slice. Its error says
// why to stop.
func (p *pacer) pass() error {
	now := time.Now()
	p.worked += min(now.Sub(p.last), maxSlice)
	p.last = now
	if p.worked < slice {
		return nil
	}
	rest := time.Duration(min(float64(p.worked)*(1-p.share)/p.share, float64(longestWait)))
	if err := pause.For(p.ctx, rest); err != nil {
		return err
	}
	p.worked, p.last = 0, time.Now()
	return nil
}
