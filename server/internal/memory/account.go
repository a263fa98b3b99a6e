package memory

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Account is what one upload holds. Draw and Attribute are safe for concurrent
// use, also with Close. The other methods are for one goroutine.
type Account struct {
	budget     *Budget
	onPressure func(Order)
	// owners are its group, from Enter on, and its caller, from Admit on.
	owners []*owner
	// fixedBytes are held until Close, and can't be squeezed.
	fixedBytes int
	held       atomic.Int64 // drawn beside that
	attributed atomic.Int64
	// receivingSince is in Unix nanoseconds. 0: it does not receive.
	receivingSince atomic.Int64
	stuck          atomic.Bool // what it holds can't be squeezed

	// Guarded by the budget's mu:

	source   *Source // nil: it has not entered
	admitted bool
	resumed  chan struct{} // closed when it resumes; nil: it does not wait
	// withoutRoom: it has resumed though there was no room, and has not come back.
	withoutRoom bool
	ending      bool // it was asked to
	// seenBytes and seenSince are carriedBytes and receivingSince as accounts are sorted by
	// them, because these change meanwhile.
	seenBytes, seenSince int64
	// squeezedBytes is what it held when it was last squeezed.
	squeezedBytes int64
	squeezedAt    time.Time
}

// Order is what an account is asked for when memory is short.
type Order int

const (
	// Squeeze asks to move out of memory what can be moved.
	Squeeze Order = iota + 1
	// End asks to end: as the last resort, when more is drawn than there is; and
	// streams that have long received nothing, when others are refused.
	End
)

// Open returns an account that holds fixedBytes until Close. When memory is short,
// onPressure is called with what the account is asked for. It is called in a goroutine of
// its own, maybe once more after Close, and must wait for nothing but disks and cores.
func (b *Budget) Open(fixedBytes int, onPressure func(Order)) *Account {
	a := &Account{budget: b, fixedBytes: fixedBytes, onPressure: onPressure}
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

// Enter makes the account an upload's, or returns an [*OverloadError]. The caller is not
// known before [Account.Admit]; until then the account counts as receiving. The limits
// of a group are those that were given last.
func (a *Account) Enter(from Source) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	var group *owner
	if from.Group.Name != "" {
		group = b.owner(ownerKey{name: from.Group.Name, isGroup: true}, from.Group.Uploads, from.Group.Bytes)
		if refusal := group.refusal(a.totalBytes(), b.free()); refusal != nil {
			return b.count(refusal)
		}
	}
	if b.Refusing() && !b.replaceSlowest(from) {
		b.refused = true
		return b.count(&OverloadError{Bytes: b.limits.Bytes})
	}
	if group != nil {
		a.join(group)
	}
	b.connections[from.Connection]++
	a.source = &from
	a.Receiving(true)
	return nil
}

// Admit makes the account one of the caller's too, and has it hold fixedBytes more
// until Close; or it returns an [*OverloadError]. Callers of the same name in different
// groups are different ones. It must be called once, after Enter and before Wait.
func (a *Account) Admit(name string, fixedBytes int) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.Receiving(false)
	a.fixedBytes += fixedBytes
	a.count(fixedBytes)
	b.Draw(fixedBytes)
	if b.admitted >= orNone(b.limits.Uploads) {
		return b.count(&OverloadError{Uploads: b.limits.Uploads})
	}
	caller := b.owner(ownerKey{group: a.source.Group.Name, name: name}, b.limits.CallerUploads, b.limits.CallerBytes)
	if refusal := caller.refusal(a.totalBytes(), b.free()); refusal != nil {
		return b.count(refusal)
	}
	a.join(caller)
	b.admitted++
	a.admitted = true
	return nil
}

// join makes the account one of the owner's. mu must be held.
func (a *Account) join(o *owner) {
	a.budget.owners[o.key] = o
	o.held.Add(a.totalBytes())
	o.uploads++
	a.owners = append(a.owners, o)
}

// Draw draws a number of bytes, or gives them back where the number is negative.
// It never waits.
func (a *Account) Draw(bytes int) {
	a.held.Add(int64(bytes))
	a.count(bytes)
	a.budget.Draw(bytes)
}

// Attribute has bytes that somebody else draws count as held by the account, too.
func (a *Account) Attribute(bytes int) {
	a.attributed.Add(int64(bytes))
	a.count(bytes)
}

// count counts bytes as held by the account's owners.
func (a *Account) count(bytes int) {
	for _, o := range a.owners {
		o.held.Add(int64(bytes))
	}
}

// HeldBytes returns what the account has drawn beside what is fixed.
func (a *Account) HeldBytes() int64 { return a.held.Load() }

// carriedBytes returns what the account holds beside what is fixed, whoever has
// drawn it.
func (a *Account) carriedBytes() int64 { return a.held.Load() + a.attributed.Load() }

func (a *Account) totalBytes() int64 { return int64(a.fixedBytes) + a.carriedBytes() }

// Receiving says whether the server waits for what the account's client sends.
func (a *Account) Receiving(on bool) {
	var since int64
	if on {
		since = time.Now().UnixNano()
	}
	a.receivingSince.Store(since)
}

// Stuck says whether what the account holds can't be moved out of memory at present. Then
// nobody waits for that to happen.
func (a *Account) Stuck(on bool) { a.stuck.Store(on) }

// Wait waits until the account may hold more: until it holds less than what is
// free, and its owners less than they may. It returns the context's error when
// that ends first.
func (a *Account) Wait(ctx context.Context) error {
	b := a.budget
	if a.mayGrow(b.free()) {
		return ctx.Err()
	}
	resumed := make(chan struct{})
	b.mu.Lock()
	a.resumed = resumed
	b.waiting.Add(1)
	b.comeBack(a)
	b.mu.Unlock()
	b.wakeOverseer()
	select {
	case <-resumed:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		b.resume(a)
		return ctx.Err()
	}
}

// mayGrow reports whether the account may hold more when so many bytes are free.
// All are measured by the same number, so those that hold most stop first, and
// there is enough left for those that hold little (the dynamic queue
// thresholds of Choudhury and Hahne, 1998, that network switches use).
func (a *Account) mayGrow(free int64) bool {
	full := func(o *owner) bool { return o.full() || o.held.Load() >= ownerShare*free }
	return a.carriedBytes() < free && !slices.ContainsFunc(a.owners, full)
}

// waits reports whether the account waits. mu must be held.
func (a *Account) waits() bool { return a.resumed != nil }

// resume ends the account's wait, if it waits. mu must be held.
func (b *Budget) resume(a *Account) {
	if a.waits() {
		close(a.resumed)
		a.resumed = nil
		b.waiting.Add(-1)
	}
}

// comeBack has the next account resume without room, if this one had. mu must be held.
func (b *Budget) comeBack(a *Account) {
	if !a.withoutRoom {
		return
	}
	a.withoutRoom = false
	select {
	case b.nudges <- struct{}{}:
	default:
	}
}

// ownerFull reports whether one of the account's owners holds as much as it may.
func (a *Account) ownerFull() bool { return slices.ContainsFunc(a.owners, (*owner).full) }

// Close gives everything back. What the account has drawn beside what is fixed
// must have been given back before.
func (a *Account) Close() {
	b := a.budget
	b.Draw(-a.fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, a)
	b.comeBack(a)
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
	for _, o := range a.owners {
		if o.uploads--; o.uploads == 0 {
			delete(b.owners, o.key)
		}
	}
}
