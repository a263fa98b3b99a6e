package upload

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// quietTimes are how long no scope must arrive before the open batch's JSON is packed. An
// upload moves on to the next time when a scope arrives after all. The steps are large, because
// uploads that share a busy server are quiet now and then, and packing costs as much as a few
// messages.
var quietTimes = [...]time.Duration{
	25 * time.Millisecond, 400 * time.Millisecond, 3200 * time.Millisecond, 25600 * time.Millisecond,
}

// late is how long after its time a batch may be packed before readers help.
const late = 5 * time.Millisecond

// packing is an upload's part in packing its open batch.
type packing struct {
	packed bool
	line   int   // the next turn's
	turn   *turn // nil if the upload is in no line
	scopes int64 // received when it got its turn
}

// turn is the turn of an upload in a line of a packer. The upload is looked at once it is due.
type turn struct {
	upload *upload // nil if it has ended
	line   int
	dueAt  time.Duration
}

// startPacking is called when a scope is about to be added to an open batch that is empty or
// packed.
func (u *upload) startPacking() {
	p := &u.packing
	if p.packed {
		p.packed, p.line = false, min(p.line+1, len(quietTimes)-1)
	}
	if p.turn == nil {
		p.scopes = u.progress.scopes.Load()
		p.turn = u.server.packer.add(u, p.line)
	}
}

// packIfQuiet packs the open batch if no scope has arrived since the upload got its turn. It
// reports whether the upload must get another one.
func (u *upload) packIfQuiet() (again bool) {
	if !u.mu.TryLock() { // the reader works
		return true
	}
	defer u.mu.Unlock()
	p := &u.packing
	scopes := u.progress.scopes.Load()
	switch {
	case u.closed:
		return false
	case scopes != p.scopes:
		p.scopes = scopes
		return true
	}
	p.turn = nil
	if u.batches.Empty() {
		return false
	}
	err := u.onLargeStack(func() error {
		u.batches.Pack()
		p.packed = true
		return nil
	})
	if err != nil {
		u.End(err)
	}
	return false
}

// packer packs the open batches of quiet uploads. An upload has no timer for that: when
// thousands become quiet together, a goroutine each would compete with the packing for the
// processors. Even so, the packer's goroutine can fall behind by seconds among thousands that
// have work. So readers help when it is late.
type packer struct {
	began  time.Time
	nextAt atomic.Int64 // when the first upload is due, since began

	helpers chan struct{} // one for each reader that helps

	mu    sync.Mutex
	lines [len(quietTimes)][]*turn // in the order of dueAt
	clock *time.Timer              // calls serve at nextAt
}

// never is when the first upload is due if there is none.
const never = 1 << 62 * time.Nanosecond

func newPacker() *packer {
	p := &packer{began: time.Now(), helpers: make(chan struct{}, encode.Packings-1)}
	p.nextAt.Store(int64(never))
	p.clock = time.AfterFunc(never, p.serve)
	return p
}

// stop stops the packer. All uploads must have ended.
func (p *packer) stop() { p.clock.Stop() }

// add gives an upload a turn at the end of a line.
func (p *packer) add(u *upload, line int) *turn {
	t := &turn{upload: u, line: line}
	p.enqueue(t)
	return t
}

// forget takes the upload out of its turn, if there is one, so that its memory can be freed.
func (p *packer) forget(t *turn) {
	if t == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t.upload = nil
}

// enqueue puts a turn at the end of its line.
func (p *packer) enqueue(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.began)
	t.dueAt = now + quietTimes[t.line]
	p.lines[t.line] = append(p.lines[t.line], t)
	if int64(t.dueAt) < p.nextAt.Load() {
		p.nextAt.Store(int64(t.dueAt))
		p.clock.Reset(t.dueAt - now)
	}
}

// dequeue takes the first turn out of its line if it was due at a time, or returns nil.
func (p *packer) dequeue(at time.Duration) (*turn, *upload) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.first()
	if line == nil || (*line)[0].dueAt > at {
		return nil, nil
	}
	t := (*line)[0]
	(*line)[0] = nil
	*line = (*line)[1:]
	next := never
	if line = p.first(); line != nil {
		next = (*line)[0].dueAt
	}
	p.nextAt.Store(int64(next))
	return t, t.upload
}

// first returns the line with the turn that is due first, or nil.
func (p *packer) first() *[]*turn {
	var first *[]*turn
	for i := range p.lines {
		line := &p.lines[i]
		if len(*line) > 0 && (first == nil || (*line)[0].dueAt < (*first)[0].dueAt) {
			first = line
		}
	}
	return first
}

// packFirst packs the batch of the upload that is due first. It reports false if none was due
// at that time.
func (p *packer) packFirst(at time.Duration) bool {
	t, u := p.dequeue(at)
	if u != nil && u.packIfQuiet() {
		p.enqueue(t)
	}
	return t != nil
}

// serve packs all batches that are due.
func (p *packer) serve() {
	for p.packFirst(time.Since(p.began)) {
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock.Reset(time.Duration(p.nextAt.Load()) - time.Since(p.began))
}

// help packs one batch if that is late. The caller may hold the lock of one upload. If there are
// helpers enough, it does nothing: a reader that waits here holds a large stack.
func (p *packer) help() {
	at := time.Since(p.began) - late
	if at < time.Duration(p.nextAt.Load()) {
		return
	}
	select {
	case p.helpers <- struct{}{}:
	default:
		return
	}
	defer func() { <-p.helpers }()
	p.packFirst(at)
}
