package memory

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Account is what one upload holds. Draw and Attribute are safe for concurrent
// use, also with Close; the other methods for that of one goroutine.
type Account struct {
	budget *Budget
	// callers are whose it is: its caller and the group of that; none before it is
	// admitted.
	callers []*caller
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

// Group is what several callers belong to, such as a tenant with its services.
type Group struct {
	// Name is unique among groups. Empty: the callers belong to none.
	Name string
	// Uploads is how many accounts of the group may be admitted at a time. 0: any
	// number.
	Uploads int
	// Bytes is what the accounts of the group may hold together. 0: no limit but
	// the share of what is free that each caller may hold.
	Bytes int64
}

// Admit makes the account one of the caller's, or returns an [*OverloadError].
// It must be called once, before Wait.
func (a *Account) Admit(name string) error { return a.AdmitWithin(Group{}, name) }

// AdmitWithin is Admit for a caller of a group: the account counts as both's.
// Callers of the same name in different groups are different ones. Of a group's
// limits those count that were given last.
func (a *Account) AdmitWithin(group Group, name string) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	callers := []*caller{b.caller(callerKey{group: group.Name, name: name}, b.limits.CallerUploads, b.limits.CallerBytes)}
	if group.Name != "" {
		callers = append(callers, b.caller(callerKey{name: group.Name, isGroup: true}, group.Uploads, group.Bytes))
	}
	bytes := a.totalBytes()
	if refusal := b.refusal(callers, bytes); refusal != nil {
		b.count(refusal)
		return refusal
	}
	for _, of := range callers {
		b.callers[of.key] = of
		of.held.Add(bytes)
		of.uploads++
	}
	b.admitted++
	a.callers = callers
	return nil
}

// refusal returns why the callers may not have another account that holds so many
// bytes; nil where they may. It must be called with mu held.
func (b *Budget) refusal(callers []*caller, bytes int64) *OverloadError {
	switch {
	case b.admitted >= b.limits.uploads():
		return &OverloadError{Uploads: b.limits.Uploads}
	case b.Refusing(), b.ceiling.reached(b.admitted, time.Now()):
		b.refused = true
		return &OverloadError{Bytes: b.limits.Bytes}
	}
	for _, of := range callers {
		if refusal := of.refusal(bytes, b.free()); refusal != nil {
			return refusal
		}
	}
	return nil
}

// Draw draws a number of bytes, or gives them back where the number is negative.
// It never waits.
func (a *Account) Draw(bytes int) {
	a.held.Add(int64(bytes))
	a.count(bytes)
	a.budget.Draw(bytes)
}

// Attribute adds to what the account counts as holding what is drawn by somebody
// else.
func (a *Account) Attribute(bytes int) {
	a.attributed.Add(int64(bytes))
	a.count(bytes)
}

// count counts bytes as held by whose account it is.
func (a *Account) count(bytes int) {
	for _, of := range a.callers {
		of.held.Add(int64(bytes))
	}
}

// HeldBytes returns what the account has drawn beside what is fixed.
func (a *Account) HeldBytes() int64 { return a.held.Load() }

func (a *Account) totalBytes() int64 {
	return int64(a.fixedBytes) + a.carriedBytes()
}

// carriedBytes returns what the account holds beside what is fixed, whoever has
// drawn it.
func (a *Account) carriedBytes() int64 { return a.held.Load() + a.attributed.Load() }

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
	if a.carriedBytes() >= free {
		return false
	}
	for _, of := range a.callers {
		if of.held.Load() >= min(callerShare*free, of.limitBytes.Load()) {
			return false
		}
	}
	return true
}

// atLimit tells that one of whose account it is holds as much as it may.
func (a *Account) atLimit() bool {
	return slices.ContainsFunc(a.callers, (*caller).atLimit)
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
	if a.callers == nil {
		return
	}
	a.count(-a.fixedBytes)
	b.admitted--
	for _, of := range a.callers {
		if of.uploads--; of.uploads == 0 {
			delete(b.callers, of.key)
		}
	}
}

// Budget returns the budget that the account draws from.
func (a *Account) Budget() *Budget { return a.budget }
