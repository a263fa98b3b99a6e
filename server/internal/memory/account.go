package memory

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Account tracks the memory of one upload. Draw and Attribute are safe for concurrent use,
// also with Close. The other methods must be called from one goroutine.
type Account struct {
	budget     *Budget
	onPressure func(Order)
	// owners are its tenant, after Enter, and its service, after Admit.
	owners []*owner
	// fixedBytes are held until Close, and can't be squeezed.
	fixedBytes int
	held       atomic.Int64 // drawn besides fixedBytes
	attributed atomic.Int64
	// receivingSince is in Unix nanoseconds, or 0 if the account does not receive.
	receivingSince atomic.Int64
	stuck          atomic.Bool // see Stuck

	// Guarded by the budget's mu:

	source   *Source // nil before Enter
	admitted bool
	resumed  chan struct{} // closed when it resumes; nil if it does not wait
	// withoutRoom is set if it resumed without room and has neither waited again nor closed.
	withoutRoom bool
	ending      bool // whether it was asked to end
	// seenBytes and seenSince are copies of carriedBytes and receivingSince, which may
	// change while accounts are sorted by them.
	seenBytes, seenSince int64
	// squeezedBytes is what it held when it was last squeezed, at squeezedAt.
	squeezedBytes int64
	squeezedAt    time.Time
}

// Order is a request to an account when memory is short.
type Order int

const (
	// Squeeze asks the account to move out of memory what it can.
	Squeeze Order = iota + 1
	// End asks the stream to end. It is the last resort, when the budget is exceeded. It
	// is also sent to streams that have long received nothing, when others are refused.
	End
)

// Open returns an account that holds fixedBytes until Close. When memory is short, it
// calls onPressure with an order, each time in a new goroutine, and possibly after Close.
// onPressure must wait only for disks and processors.
func (b *Budget) Open(fixedBytes int, onPressure func(Order)) *Account {
	a := &Account{budget: b, fixedBytes: fixedBytes, onPressure: onPressure}
	b.Draw(fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accounts[a] = struct{}{}
	return a
}

// Source identifies the origin of an upload.
type Source struct {
	// Connection identifies the connection of the upload. It must be comparable.
	Connection any
	// Tenant is the tenant of the service.
	Tenant Tenant
}

// Tenant is a tenant, with several services.
type Tenant struct {
	// Name is unique among tenants. If empty, the service belongs to none.
	Name string
	// Uploads limits the admitted accounts of the tenant. 0 means no limit.
	Uploads int
	// Bytes limits the memory of the tenant's accounts together. 0 means no limit besides
	// the share of the free memory that each service may hold.
	Bytes int64
}

// Enter enters the account as an upload's, or returns an [*OverloadError]. The service is
// not known before [Account.Admit]; until then the account counts as receiving. The latest
// Enter sets the limits of its tenant.
func (a *Account) Enter(from Source) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	var tenant *owner
	if from.Tenant.Name != "" {
		tenant = b.owner(ownerKey{name: from.Tenant.Name, isTenant: true}, from.Tenant.Uploads, from.Tenant.Bytes)
		if refusal := tenant.refusal(a.totalBytes(), b.free()); refusal != nil {
			return b.count(refusal)
		}
	}
	if b.Refusing() && !b.replaceSlowest(from) {
		b.refused = true
		return b.count(&OverloadError{Bytes: b.limits.Bytes})
	}
	if tenant != nil {
		a.join(tenant)
	}
	b.connections[from.Connection]++
	a.source = &from
	a.Receiving(time.Now())
	return nil
}

// Admit admits the account as one of the named service's, or returns an [*OverloadError]. In
// both cases the account holds fixedBytes more until Close. Services of the same name in
// different tenants are different ones. Admit must be called once, after Enter and
// before Wait.
func (a *Account) Admit(name string, fixedBytes int) error {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	a.Receiving(time.Time{})
	a.fixedBytes += fixedBytes
	a.count(fixedBytes)
	b.Draw(fixedBytes)
	if b.admitted >= orNone(b.limits.Uploads) {
		return b.count(&OverloadError{Uploads: b.limits.Uploads})
	}
	service := b.owner(ownerKey{tenant: a.source.Tenant.Name, name: name}, b.limits.ServiceUploads, b.limits.ServiceBytes)
	if refusal := service.refusal(a.totalBytes(), b.free()); refusal != nil {
		return b.count(refusal)
	}
	a.join(service)
	b.admitted++
	a.admitted = true
	return nil
}

// join adds the account to the owner. The caller must hold mu.
func (a *Account) join(o *owner) {
	a.budget.owners[o.key] = o
	o.held.Add(a.totalBytes())
	o.uploads++
	a.owners = append(a.owners, o)
}

// Draw draws bytes, or gives them back if negative.
// It never waits.
func (a *Account) Draw(bytes int) {
	a.held.Add(int64(bytes))
	a.count(bytes)
	a.budget.Draw(bytes)
}

// Attribute counts bytes that another owner draws as held by the account, too.
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

// HeldBytes returns the bytes drawn with Draw.
func (a *Account) HeldBytes() int64 { return a.held.Load() }

// carriedBytes returns the bytes that the account holds besides fixedBytes, drawn or
// attributed.
func (a *Account) carriedBytes() int64 { return a.held.Load() + a.attributed.Load() }

func (a *Account) totalBytes() int64 { return int64(a.fixedBytes) + a.carriedBytes() }

// Receiving sets since when the server has been waiting for the client to send. The zero time
// means that it is not.
func (a *Account) Receiving(since time.Time) {
	var nanos int64
	if !since.IsZero() {
		nanos = since.UnixNano()
	}
	a.receivingSince.Store(nanos)
}

// Stuck sets whether the account can't move anything out of memory at present. No other
// account then waits for it to do so.
func (a *Account) Stuck(on bool) { a.stuck.Store(on) }

// MustWait reports whether Wait would wait.
func (a *Account) MustWait() bool { return !a.mayGrow(a.budget.free()) }

// Wait waits until the account may hold more: until it holds less than is free, and its
// owners are below their limits. If ctx ends first, it returns the error of ctx.
func (a *Account) Wait(ctx context.Context) error {
	b := a.budget
	if !a.MustWait() {
		return ctx.Err()
	}
	resumed := make(chan struct{})
	b.mu.Lock()
	a.resumed = resumed
	b.waiting.Add(1)
	b.passOnResume(a)
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

// mayGrow reports whether the account may hold more, given the free bytes. The threshold
// is the same for all accounts, so the largest stop first and leave enough for the small
// ones. Network switches bound their queues in this way (Choudhury and Hahne, "Dynamic
// queue length thresholds for shared-memory packet switches", 1998).
func (a *Account) mayGrow(free int64) bool {
	full := func(o *owner) bool { return o.full() || o.held.Load() >= ownerShare*free }
	return a.carriedBytes() < free && !slices.ContainsFunc(a.owners, full)
}

// waits reports whether the account is waiting. The caller must hold mu.
func (a *Account) waits() bool { return a.resumed != nil }

// resume ends the account's wait, if any. The caller must hold mu.
func (b *Budget) resume(a *Account) {
	if a.waits() {
		close(a.resumed)
		a.resumed = nil
		b.waiting.Add(-1)
	}
}

// passOnResume lets the overseer resume the next account, if a had resumed without room.
// The caller must hold mu.
func (b *Budget) passOnResume(a *Account) {
	if !a.withoutRoom {
		return
	}
	a.withoutRoom = false
	select {
	case b.nudges <- struct{}{}:
	default:
	}
}

// ownerFull reports whether an owner of the account has reached its limit.
func (a *Account) ownerFull() bool { return slices.ContainsFunc(a.owners, (*owner).full) }

// Close gives back fixedBytes and closes the account. The bytes drawn with Draw must have
// been given back before.
func (a *Account) Close() {
	b := a.budget
	b.Draw(-a.fixedBytes)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.accounts, a)
	b.passOnResume(a)
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
