package memory

import (
	"context"
	"sync/atomic"
	"time"
)

// Account is what one upload holds. Draw and Attribute are safe for concurrent
// use, the other methods for that of one goroutine.
type Account struct {
	budget *Budget
	caller *caller // nil: not admitted
	name   string  // of the caller
	// fixedBytes is what it holds as long as it is open, and can't be squeezed.
	fixedBytes int
	held       atomic.Int64 // drawn beside that
	attributed atomic.Int64
	// receiving is since when it receives, in Unix nanoseconds; 0: it does not.
	receiving atomic.Int64
	stuck     atomic.Bool // what it holds can't be squeezed
	obey      func(Order)

	// Guarded by the budget's mu:

	granted  chan struct{} // not nil: it waits, until that is closed
	squeezed squeezed
	without  bool // it went on without room, and is not back
}

// Order is what an account is asked for when memory is short.
type Order int

const (
	// Squeeze asks to move out of memory what can be moved.
	Squeeze Order = iota + 1
	// GiveUp asks to end: as the last resort, when more is drawn than there is; and
	// of streams that have long received nothing, when others are refused.
	GiveUp
)

// Open returns an account that holds fixedBytes until Close. It never refuses:
// that is done by Admit, when the caller is known. When memory is short, obey is
// called with what the account is asked for, in a goroutine of its own, also once
// more after Close; it shall not wait for anything but disks and cores.
func (b *Budget) Open(fixedBytes int, obey func(Order)) *Account {
	a := &Account{budget: b, fixedBytes: fixedBytes, obey: obey}
	b.Draw(fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts[a] = struct{}{}
	return a
}

// Admit makes the account one of the caller's, or returns an [*OverloadError].
// It must be called once, before Wait.
func (a *Account) Admit(name string) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	of, known := b.callers[name]
	if !known {
		of = &caller{}
	}
	bytes := a.totalBytes()
	if refusal := b.refusal(of, name, bytes); refusal != nil {
		b.count(refusal)
		return refusal
	}
	b.callers[name] = of
	of.held.Add(bytes)
	of.uploads++
	b.admitted++
	a.caller, a.name = of, name
	return nil
}

// refusal returns why the caller may not have another account that holds so many
// bytes; nil where it may. It must be called with mu held.
func (b *Budget) refusal(of *caller, name string, bytes int64) *OverloadError {
	switch {
	case b.admitted >= b.limits.uploads():
		return &OverloadError{Uploads: b.limits.Uploads}
	case of.uploads >= b.limits.callerUploads():
		return &OverloadError{Caller: name, Uploads: b.limits.CallerUploads}
	case of.held.Load()+bytes > b.limits.callerBytes():
		return &OverloadError{Caller: name, Bytes: b.limits.CallerBytes}
	case b.drawn.Load() > b.percent(refusePercent), b.ceiling.reached(b.admitted, time.Now()):
		b.refused = true
		return &OverloadError{Bytes: b.limits.Bytes}
	case of.held.Load()+bytes > callerShare*b.free():
		return &OverloadError{Caller: name, Bytes: callerShare * max(0, b.free())}
	}
	return nil
}

// Draw draws a number of bytes, or gives them back where the number is negative.
// It never waits.
func (a *Account) Draw(bytes int) {
	a.held.Add(int64(bytes))
	if a.caller != nil {
		a.caller.held.Add(int64(bytes))
	}
	a.budget.Draw(bytes)
}

// Attribute adds to what the account counts as holding what is drawn by somebody
// else.
func (a *Account) Attribute(bytes int) {
	a.attributed.Add(int64(bytes))
	if a.caller != nil {
		a.caller.held.Add(int64(bytes))
	}
}

// HeldBytes returns what the account has drawn beside what is fixed.
func (a *Account) HeldBytes() int64 { return a.held.Load() }

func (a *Account) totalBytes() int64 {
	return int64(a.fixedBytes) + a.held.Load() + a.attributed.Load()
}

// Receiving tells that the account's stream is, or is no longer, open for what
// its client sends.
func (a *Account) Receiving(on bool) {
	var since int64
	if on {
		since = time.Now().UnixNano()
	}
	a.receiving.Store(since)
}

// Stuck tells that what the account holds can't be, or can again be, moved out of
// memory: nobody waits for that to happen while it can't.
func (a *Account) Stuck(on bool) { a.stuck.Store(on) }

// Wait waits until the account may hold more: until it holds less than what is
// free, and its caller less than its share. It returns the context's error when
// that ends first.
func (a *Account) Wait(ctx context.Context) error {
	if a.mayTake(a.budget.free()) {
		return ctx.Err()
	}
	granted := make(chan struct{})
	a.budget.stopAccount(a, granted)
	a.budget.wakeOverseer()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
		a.budget.goOn(a)
		return ctx.Err()
	}
}

// mayTake tells whether the account may hold more when so many bytes are free.
// As all are measured by the same number, those that hold most stop first, and
// what is left is enough for those that hold little to go on (the dynamic queue
// thresholds of Choudhury and Hahne, 1998, that network switches use).
func (a *Account) mayTake(free int64) bool {
	held := a.caller.held.Load()
	return a.held.Load()+a.attributed.Load() < free && held < callerShare*free && held < a.budget.limits.callerBytes()
}

// Close gives everything back. What the account has drawn beside what is fixed
// must have been given back before.
func (a *Account) Close() {
	b := a.budget
	b.Draw(-a.fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, a)
	b.back(a)
	if a.caller == nil {
		return
	}
	a.caller.held.Add(int64(-a.fixedBytes))
	b.admitted--
	if a.caller.uploads--; a.caller.uploads == 0 {
		delete(b.callers, a.name)
	}
	a.caller = nil
}
