package memory

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"
)

// The overseer is one goroutine. It runs while memory is short or an account waits. At each
// look it does the following, in this order:
//
//   - squeeze: ask the largest accounts to hold less, if memory is short.
//   - end: ask streams to end, if the budget is exceeded or uploads are refused.
//   - resume: let waiting accounts resume, if there is room for them.
//   - unblock: make room, if there is room for none of them.
//
// It holds mu, the only lock of this package, during a look. It takes no other lock and
// calls no handler while it holds mu.

const (
	lookInterval = 50 * time.Millisecond
	// collectInterval is the least time between two garbage collections while the budget is
	// exceeded. They are needed because gRPC drops the buffers of streams that end, without
	// giving them back.
	collectInterval = 4 * lookInterval
	// squeezeAgain is when to squeeze an account again that still holds as much as before.
	squeezeAgain = time.Second
	// If less than crumbsPercent of a limit can be squeezed, it is not worth waiting for.
	crumbsPercent = 4
	// At most one in endShare of the streams that qualify is ended at a time.
	endShare = 8
	// patience is how long a client may keep the server waiting while others are refused.
	// newcomerPatience is the same while a client without an upload is refused.
	patience         = 10 * time.Second
	newcomerPatience = 200 * time.Millisecond
)

// wakeOverseer starts the overseer unless it is running or the budget is closed.
func (b *Budget) wakeOverseer() {
	select {
	case <-b.stop:
		return
	default:
	}
	if b.overseen.CompareAndSwap(false, true) {
		b.goroutines.Go(b.oversee)
	}
}

func (b *Budget) oversee() {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	collected, collectedAt := false, time.Time{}
	for {
		b.look(collected)
		if !b.needsOverseer() {
			b.overseen.Store(false)
			if !b.needsOverseer() || !b.overseen.CompareAndSwap(false, true) {
				return
			}
		}
		if collected = b.Exceeded() && time.Since(collectedAt) >= collectInterval; collected {
			runtime.GC()
			collectedAt = time.Now()
		}
		for ticked := false; !ticked; {
			select {
			case <-ticker.C:
				ticked = true
			case <-b.nudges:
				b.lookForNext()
			case <-b.stop:
				return
			}
		}
	}
}

func (b *Budget) needsOverseer() bool {
	return b.Squeezing() || b.waiting.Load() > 0 || b.paused.Load()
}

// look is one look at all accounts. collected reports whether garbage was just collected,
// so that the budget is not exceeded by garbage alone.
func (b *Budget) look(collected bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relieve()
	accounts := b.largestFirst()
	if b.Squeezing() {
		b.squeeze(accounts, b.drawn.Load()-b.percent(squeezePercent))
	}
	switch {
	case b.Exceeded() && collected:
		waiting := filter(accounts, func(a *Account) bool { return a.waits() && !a.ending })
		b.end(append(longestReceiving(accounts, 0), waiting...), -b.free())
	case b.refused:
		b.end(longestReceiving(accounts, patience), math.MaxInt64)
	}
	b.refused = false
	for _, o := range b.owners {
		if o.full() {
			b.unblock(filter(accounts, o.owns), o.limitBytes.Load(), o.held.Load())
		}
	}
	b.resumeNext(accounts)
}

// lookForNext is a look that only resumes the next account, after passOnResume. With one
// account a tick, many small accounts would take minutes.
func (b *Budget) lookForNext() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resumeNext(b.largestFirst())
}

// resumeNext resumes the accounts for which there is room. If there are none, it makes
// room.
func (b *Budget) resumeNext(accounts []*Account) {
	blocked := func(a *Account) bool { return a.waits() && !a.ownerFull() }
	if !b.resumeFitting(accounts) && slices.ContainsFunc(accounts, blocked) {
		b.unblock(accounts, b.limits.Bytes, b.drawn.Load())
	}
}

// squeeze asks the first accounts to hold less, as many as together hold the given bytes.
func (b *Budget) squeeze(accounts []*Account, bytes int64) {
	now := time.Now()
	for _, a := range accounts {
		held := a.held.Load()
		if bytes <= 0 {
			return
		}
		if held == 0 || held == a.squeezedBytes && now.Sub(a.squeezedAt) < squeezeAgain {
			continue // it has nothing (more) to give
		}
		a.squeezedBytes, a.squeezedAt = held, now
		b.counts.Squeezes++
		b.order(a, Squeeze)
		bytes -= held
	}
}

// end asks the first streams to end, as many as together hold more than the given bytes, but
// at most one in endShare. The accounts must not have been asked before.
func (b *Budget) end(accounts []*Account, bytes int64) {
	for _, a := range accounts[:(len(accounts)+endShare-1)/endShare] {
		if bytes < 0 {
			break
		}
		a.ending = true
		b.counts.Ends++
		b.order(a, End)
		bytes -= a.totalBytes()
	}
}

// replaceSlowest makes room for an account from a connection that has none: it asks the
// stream to end whose client has kept the server waiting longest. It reports whether there
// is such a stream. That one gives its memory back soon, so the budget may be exceeded
// meanwhile, up to newcomerPercent. The caller must hold mu.
func (b *Budget) replaceSlowest(from Source) bool {
	if b.connections[from.Connection] > 0 || b.drawn.Load() > b.percent(newcomerPercent) {
		return false
	}
	var slowest *Account
	since := time.Now().Add(-newcomerPatience).UnixNano()
	for a := range b.accounts {
		if at := a.receivingSince.Load(); at != 0 && at < since && !a.ending {
			slowest, since = a, at
		}
	}
	if slowest == nil {
		return false
	}
	b.end([]*Account{slowest}, math.MaxInt64)
	return true
}

// order calls the account's handler in a new goroutine, because the overseer must not wait
// for it. The caller must hold mu.
func (b *Budget) order(a *Account, o Order) { b.goroutines.Go(func() { a.onPressure(o) }) }

// resumeFitting resumes the accounts for which there is room, the smallest first. It reports
// whether there were any.
func (b *Budget) resumeFitting(accounts []*Account) (resumed bool) {
	free := b.free()
	for _, a := range slices.Backward(accounts) {
		if a.waits() && a.mayGrow(free) {
			b.resume(a)
			resumed = true
		}
	}
	return resumed
}

// unblock makes room among accounts that share a limit, if any of them waits. If there is
// next to nothing left to squeeze, it resumes one account without room instead, at each look.
func (b *Budget) unblock(accounts []*Account, limit, held int64) {
	switch {
	case !slices.ContainsFunc(accounts, (*Account).waits):
	case squeezable(accounts) > limit/100*crumbsPercent:
		b.squeeze(accounts, max(1, held-limit/100*squeezePercent))
	default:
		b.resumeLargest(accounts)
	}
}

// resumeLargest resumes the largest waiting account although there is no room. It is nearest
// to its end, where it gives everything back. The next one follows when it waits again or is
// closed, and otherwise at the next look: one that waits for its client must not block all
// others. If the small accounts resumed instead, they would all become large.
func (b *Budget) resumeLargest(accounts []*Account) {
	if i := slices.IndexFunc(accounts, (*Account).waits); i >= 0 {
		accounts[i].withoutRoom = true
		b.resume(accounts[i])
	}
}

// largestFirst returns the accounts, sorted by the bytes they hold.
func (b *Budget) largestFirst() []*Account {
	accounts := make([]*Account, 0, len(b.accounts))
	for a := range b.accounts {
		a.seenBytes = a.carriedBytes()
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(x, y *Account) int { return cmp.Compare(y.seenBytes, x.seenBytes) })
	return accounts
}

// longestReceiving returns the accounts whose clients have kept the server waiting for at
// least the given time, the longest first.
func longestReceiving(accounts []*Account, atLeast time.Duration) []*Account {
	latest := time.Now().Add(-atLeast).UnixNano()
	receiving := filter(accounts, func(a *Account) bool {
		a.seenSince = a.receivingSince.Load()
		return a.seenSince != 0 && a.seenSince <= latest && !a.ending
	})
	slices.SortStableFunc(receiving, func(x, y *Account) int { return cmp.Compare(x.seenSince, y.seenSince) })
	return receiving
}

// squeezable returns the bytes that could be squeezed out of accounts.
func squeezable(accounts []*Account) (bytes int64) {
	for _, a := range accounts {
		if !a.stuck.Load() {
			bytes += a.held.Load()
		}
	}
	return bytes
}

func filter(accounts []*Account, keep func(*Account) bool) (kept []*Account) {
	for _, a := range accounts {
		if keep(a) {
			kept = append(kept, a)
		}
	}
	return kept
}
