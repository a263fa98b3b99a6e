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
	// callers are whose it is: from Enter on its group, from Admit on its caller too.
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

	source   *Source // nil: it has not entered
	admitted bool
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

// Open returns an account that holds fixedBytes until Close. When memory is short, obey
// is called with what the account is asked for, in a goroutine of its own, also once
// more after Close; it shall not wait for anything but disks and cores.
func (b *Budget) Open(fixedBytes int, obey func(Order)) *Account {
	a := &Account{budget: b, fixedBytes: fixedBytes, obey: obey}
	b.Draw(fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts[a] = struct{}{}
	return a
}

// Source is where an upload comes from.
type Source struct {
	// Connection stands for the connection that it comes by. It is compared.
	Connection any
	// Group is what its caller belongs to.
	Group Group
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

// Enter makes the account that of an upload, or returns an [*OverloadError]. Its caller
// is not known yet: until [Account.Admit] it counts as receiving, and as that of its
// source alone. Of a group's limits those count that were given last.
func (a *Account) Enter(from Source) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	var group *caller
	if from.Group.Name != "" {
		group = b.caller(callerKey{name: from.Group.Name, isGroup: true}, from.Group.Uploads, from.Group.Bytes)
		if refusal := group.refusal(a.totalBytes(), b.free()); refusal != nil {
			return b.count(refusal)
		}
	}
	if !b.mayEnter(from) {
		return b.count(&OverloadError{Bytes: b.limits.Bytes})
	}
	if group != nil {
		a.join(group)
	}
	b.connections[from.Connection]++
	a.source = &from
	a.receiving.Store(time.Now().UnixNano())
	return nil
}

// Admit makes the account one of the caller's too, and has it hold fixedBytes more
// until Close; or it returns an [*OverloadError]. Callers of the same name in different
// groups are different ones. It must be called once, after Enter and before Wait.
func (a *Account) Admit(name string, fixedBytes int) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.receiving.Store(0)
	a.fixedBytes += fixedBytes
	a.count(fixedBytes)
	b.Draw(fixedBytes)
	if b.admitted >= b.limits.uploads() {
		return b.count(&OverloadError{Uploads: b.limits.Uploads})
	}
	of := b.caller(callerKey{group: a.source.Group.Name, name: name}, b.limits.CallerUploads, b.limits.CallerBytes)
	if refusal := of.refusal(a.totalBytes(), b.free()); refusal != nil {
		return b.count(refusal)
	}
	a.join(of)
	b.admitted++
	a.admitted = true
	return nil
}

// join makes the account one of the caller's. It must be called with the budget's mu
// held.
func (a *Account) join(of *caller) {
	a.budget.callers[of.key] = of
	of.held.Add(a.totalBytes())
	of.uploads++
	a.callers = append(a.callers, of)
}

// mayEnter reports whether there may be another account from there. A connection that
// has none takes the place of an account whose client keeps the server waiting, even if
// more is drawn than there is: what that account holds is about to be given back. It must
// be called with mu held.
func (b *Budget) mayEnter(from Source) bool {
	if !b.Refusing() && !b.ceiling.reached(b.admitted, time.Now()) {
		return true
	}
	b.refused = true
	return b.connections[from.Connection] == 0 && b.drawn.Load() <= b.percent(newcomerPercent) && b.giveUpSlowest()
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
	if a.source == nil {
		return
	}
	a.count(-a.fixedBytes)
	if a.admitted {
		b.admitted--
	}
	if b.connections[a.source.Connection]--; b.connections[a.source.Connection] == 0 {
		delete(b.connections, a.source.Connection)
	}
	for _, of := range a.callers {
		if of.uploads--; of.uploads == 0 {
			delete(b.callers, of.key)
		}
	}
}
