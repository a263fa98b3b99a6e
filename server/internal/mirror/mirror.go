// Package mirror forwards accepted batches to additional intakes, with best effort. Start
// at [New] and [Mirror.Offer].
//
// Each intake has a queue, bounded in bytes, and a few workers. A batch that does not fit
// into the queue, or is not accepted within [Config.MaxAge], is dropped and counted. All
// intakes share one copy of a batch. Nothing waits for the mirror, and no client learns
// of its failures.
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

// Workers is how many batches are posted to each intake at once. More connections are of
// no use.
const Workers = 2

// Config limits the batches that a mirror holds.
type Config struct {
	// QueueBytes limits the compressed bytes that wait or are being posted, per intake.
	QueueBytes int64
	// MaxAge limits how long a batch is held.
	MaxAge time.Duration
}

// Intake is an additional intake.
type Intake struct {
	Client Client
	// Count is called with the outcome of each offered batch, and the reason if it was
	// not accepted. It must be safe for concurrent use.
	Count func(Outcome, error)
}

// Client forwards a batch, as [intake.Client] does.
type Client interface {
	Forward(context.Context, intake.Caller, *batch.Batch) error
	Close()
}

// Outcome is the fate of a batch at one intake.
type Outcome int

const (
	// Accepted means that the intake accepted it.
	Accepted Outcome = iota + 1
	// Refused means that the intake refused it for good.
	Refused
	// Dropped means that there was no room, or no time to retry.
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

// Mirror forwards batches to several intakes. It is safe for concurrent use.
type Mirror struct {
	config  Config
	account encode.Account
	lanes   []*lane

	start   sync.Once
	workers sync.WaitGroup
	ctx     context.Context //nolint:containedctx // of the workers
	cancel  context.CancelFunc
	closing chan struct{} // closed when no more batches are offered
}

// parcel is a batch that lanes share.
type parcel struct {
	batch   *batch.Batch
	caller  intake.Caller
	bytes   int64
	offered time.Time
	refs    atomic.Int32
}

func (p *parcel) release() {
	if p.refs.Add(-1) == 0 {
		p.batch.File.Release()
	}
}

// New returns a mirror that draws its memory from account. It starts no goroutine before
// the first Offer.
func New(cfg Config, account encode.Account, intakes []Intake) *Mirror {
	m := &Mirror{config: cfg, account: account, closing: make(chan struct{})}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	for _, in := range intakes {
		m.lanes = append(m.lanes, &lane{Intake: in, limit: cfg.QueueBytes, wake: make(chan struct{}, 1)})
	}
	return m
}

// Offer takes ownership of a batch: nobody else may read or spill its file. It never
// waits. It must not be called after Close.
func (m *Mirror) Offer(caller intake.Caller, b *batch.Batch) {
	m.start.Do(func() {
		for _, l := range m.lanes {
			for range Workers {
				m.workers.Go(func() { m.work(l) })
			}
		}
	})
	b.File.Transfer(m.account)
	p := &parcel{batch: b, caller: caller, bytes: int64(b.File.Len()), offered: time.Now()}
	p.refs.Store(1)
	for _, l := range m.lanes {
		p.refs.Add(1)
		if !l.add(p) {
			p.release()
			l.Count(Dropped, errNoRoom)
		}
	}
	p.release()
}

// work forwards the lane's parcels until the mirror is closing and the lane is empty.
func (m *Mirror) work(l *lane) {
	for {
		if p := l.pop(); p != nil {
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
	l.addBytes(-p.bytes)
	p.release()
	l.Count(outcome, err)
}

// Squeeze moves the waiting batches to the store. It drops them if store is nil or fails.
func (m *Mirror) Squeeze(store encode.Store) {
	for _, l := range m.lanes {
		for _, p := range l.retain() {
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

// Close forwards the remaining batches until ctx ends, then drops the rest and closes the
// connections. It returns when all goroutines have ended.
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
