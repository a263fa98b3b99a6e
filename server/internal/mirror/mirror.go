// Package mirror takes batches that were accepted to further intakes, as well as
// it can be done. Start at [New] and [Mirror.Offer].
//
// Each intake has a queue of its own, bounded in bytes, and few workers. A batch
// that finds no room in it, or isn't accepted within its time, is dropped and
// counted. A batch is held once, whatever the number of intakes that it is for,
// and for no longer than [Config.MaxAge].
//
// It is not for what must arrive: nothing waits for it, and nobody is told.
package mirror

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// Workers is how many batches are on their way to each intake at once, at most,
// and so how many connections to it are of use.
const Workers = 2

// Config bounds what a mirror holds.
type Config struct {
	// QueueBytes bounds what is held for each intake, in compressed bytes: what
	// waits, and what is on its way.
	QueueBytes int64
	// MaxAge is how long a batch may be held.
	MaxAge time.Duration
}

// Intake is one that batches are taken to.
type Intake struct {
	// Client posts the batches.
	Client Client
	// Count is told what became of each batch that was offered. It must be safe for
	// concurrent use. The error says why where the batch was not accepted.
	Count func(Outcome, error)
}

// Client forwards a batch, as [intake.Client] does.
type Client interface {
	ForwardFor(context.Context, intake.Sender, *batch.Batch) error
	Close()
}

// Outcome is what became of a batch at one intake.
type Outcome int

const (
	// Accepted tells that the intake has it.
	Accepted Outcome = iota + 1
	// Refused tells that the intake doesn't want it.
	Refused
	// Dropped tells that it was given up for want of room or time.
	Dropped
)

// String returns the outcome in one word.
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case Dropped:
		return "dropped"
	}
	return "unknown"
}

// Mirror takes batches to several intakes. It is safe for concurrent use.
type Mirror struct {
	config  Config
	account encode.Account
	lanes   []*lane

	begin   sync.Once
	workers sync.WaitGroup
	ctx     context.Context //nolint:containedctx // the workers', which end with it
	cancel  context.CancelFunc
	// closing is closed when nothing is offered any more.
	closing chan struct{}
}

// parcel is a batch that is held for some of the lanes.
type parcel struct {
	batch   *batch.Batch
	from    intake.Sender
	bytes   int64
	offered time.Time
	holders atomic.Int32
}

func (p *parcel) release() {
	if p.holders.Add(-1) == 0 {
		p.batch.File.Release()
	}
}

// New returns a mirror. What it holds is drawn from account. It has no goroutine
// before the first Offer.
func New(cfg Config, account encode.Account, intakes []Intake) *Mirror {
	m := &Mirror{config: cfg, account: account, closing: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, to := range intakes {
		m.lanes = append(m.lanes, &lane{Intake: to, limit: cfg.QueueBytes, wake: make(chan struct{}, 1)})
	}
	return m
}

// Offer takes a batch over, whose file nobody else reads or spills any more. It
// never waits. It must not be called once Close is.
func (m *Mirror) Offer(from intake.Sender, b *batch.Batch) {
	m.begin.Do(m.start)
	b.File.Transfer(m.account)
	p := &parcel{batch: b, from: from, bytes: int64(b.File.Len()), offered: time.Now()}
	p.holders.Store(1)
	for _, l := range m.lanes {
		p.holders.Add(1)
		if !l.add(p) {
			p.release()
			l.Count(Dropped, errNoRoom)
		}
	}
	p.release()
}

func (m *Mirror) start() {
	for _, l := range m.lanes {
		for range Workers {
			m.workers.Go(func() { m.work(l) })
		}
	}
}

// work forwards what is in the lane until it is closed and empty.
func (m *Mirror) work(l *lane) {
	for {
		p := l.next()
		if p != nil {
			m.forward(l, p)
			continue
		}
		select {
		case <-l.wake:
		case <-m.closing:
			if l.empty() {
				return
			}
		}
	}
}

func (m *Mirror) forward(l *lane, p *parcel) {
	ctx, cancel := context.WithDeadline(m.ctx, p.offered.Add(m.config.MaxAge))
	defer cancel()
	outcome, err := l.forward(ctx, p)
	l.done(p)
	p.release()
	l.Count(outcome, err)
}

// Squeeze moves what is held to the store; where that is nil, or fails, it drops
// what waits.
func (m *Mirror) Squeeze(store encode.Store) {
	for _, l := range m.lanes {
		for _, p := range l.hold() {
			if store != nil {
				if _, err := p.batch.File.Spill(store); err == nil {
					p.release()
					continue
				}
			}
			if l.remove(p) {
				p.release()
				l.Count(Dropped, errMemory)
			}
			p.release()
		}
	}
}

// Close waits for what is held to be forwarded, until ctx ends, and drops the
// rest, with the connections that it is on its way through. No goroutine of the
// mirror is left then.
func (m *Mirror) Close(ctx context.Context) {
	close(m.closing)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.workers.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	m.cancel()
	for _, l := range m.lanes {
		l.Client.Close()
	}
	<-ended
}
