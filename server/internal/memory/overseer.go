package memory

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"
)

// The overseer is one goroutine. It runs while memory is short or an account waits. At each
// look it does, in this order:
//
//   - squeeze: while memory is short, the largest accounts are asked to hold less.
//   - end streams: while the budget is exceeded, or uploads are refused.
//   - resume accounts that wait, if there is room for them.
//   - unblock: if there is room for none, make some.
//
// mu is held for a look, and is the only lock of this package. Nothing else is locked, and no
// handler is called, while it is held.

const (
	lookInterval = 50 * time.Millisecond
	// collectInterval is how often, at most, garbage is collected while the budget is
	// exceeded: gRPC drops buffers of streams that end, without giving them back.
	collectInterval = 4 * lookInterval
	// squeezeAgain is when an account is squeezed again that holds as much as before.
	squeezeAgain = time.Second
	// crumbsPercent of a limit is too little to be worth waiting for.
	crumbsPercent = 4
	// endShare: an eighth of the streams that qualify, at most, are ended at a time.
	endShare = 8
	// patience is how long a client may keep the server waiting while others are refused;
	// newcomerPatience, while a client is refused that has no upload.
	patience         = 10 * time.Second
	newcomerPatience = 200 * time.Millisecond
)

// wakeOverseer starts the overseer unless it runs.
func (b *Budget) wakeOverseer() {
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
// so that none is counted.
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

// lookForNext is a look at those that wait alone, when an account has come back that had
// resumed without room. At one account a look, many that hold a message take minutes.
func (b *Budget) lookForNext() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resumeNext(b.largestFirst())
}

// resumeNext has the accounts resume for which there is room, or sees to it that there will
// be some.
func (b *Budget) resumeNext(accounts []*Account) {
	blocked := func(a *Account) bool { return a.waits() && !a.ownerFull() }
	if !b.resumeFitting(accounts) && slices.ContainsFunc(accounts, blocked) {
		b.unblock(accounts, b.limits.Bytes, b.drawn.Load())
	}
}

// squeeze asks the largest accounts to hold less, until those asked hold as many bytes.
func (b *Budget) squeeze(accounts []*Account, bytes int64) {
	now := time.Now()
	for _, a := range accounts {
		held := a.held.Load()
		if bytes <= 0 {
			return
		}
		if held == 0 || held == a.squeezedBytes && now.Sub(a.squeezedAt) < squeezeAgain {
			continue // it has nothing, or nothing more, to give
		}
		a.squeezedBytes, a.squeezedAt = held, now
		b.counts.Squeezes++
		b.tell(a, Squeeze)
		bytes -= held
	}
}

// end asks streams to end, in that order, until those asked hold as many bytes. One that was
// asked is not asked again.
func (b *Budget) end(accounts []*Account, bytes int64) {
	for _, a := range accounts[:(len(accounts)+endShare-1)/endShare] {
		if bytes < 0 {
			break
		}
		a.ending = true
		b.counts.Ends++
		b.tell(a, End)
		bytes -= a.totalBytes()
	}
}

// replaceSlowest asks the stream to end whose client has kept the server waiting longest, to
// make room for an account from a connection that has none. It reports whether there is
// such a stream. What that holds is given back soon; so this is done even though more is
// drawn than there is, but not far more. mu must be held.
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

// tell calls the account's handler in a goroutine of its own, which may do what the
// overseer must not wait for. mu must be held.
func (b *Budget) tell(a *Account, o Order) { b.goroutines.Go(func() { a.onPressure(o) }) }

// resumeFitting has the accounts resume for which there is room, the smallest first. It
// reports whether there were any.
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

// unblock is for accounts that share a limit, and leave no room for those of them that
// wait. It makes room; or, if there is next to nothing left to squeeze, it has one resume
// without.
func (b *Budget) unblock(accounts []*Account, limit, held int64) {
	switch {
	case !slices.ContainsFunc(accounts, (*Account).waits):
	case squeezable(accounts) > limit/100*crumbsPercent:
		b.squeeze(accounts, max(1, held-limit/100*squeezePercent))
	default:
		b.resumeLargest(accounts)
	}
}

// resumeLargest has the largest account resume, though there is no room: it is nearest to
// its end, and gives all back there. The next one follows when it waits again, or is closed.
// Many small ones would become many large ones.
func (b *Budget) resumeLargest(accounts []*Account) {
	if i := slices.IndexFunc(accounts, (*Account).waits); i >= 0 {
		accounts[i].withoutRoom = true
		b.resume(accounts[i])
	}
}

// largestFirst returns the accounts in the order of what they hold.
func (b *Budget) largestFirst() []*Account {
	accounts := make([]*Account, 0, len(b.accounts))
	for a := range b.accounts {
		a.seenBytes = a.carriedBytes()
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(x, y *Account) int { return cmp.Compare(y.seenBytes, x.seenBytes) })
	return accounts
}

// longestReceiving returns those of the accounts whose clients have kept the server
// waiting for at least that time, those that have done so longest first.
func longestReceiving(accounts []*Account, atLeast time.Duration) []*Account {
	latest := time.Now().Add(-atLeast).UnixNano()
	receiving := filter(accounts, func(a *Account) bool {
		a.seenSince = a.receivingSince.Load()
		return a.seenSince != 0 && a.seenSince <= latest && !a.ending
	})
	slices.SortStableFunc(receiving, func(x, y *Account) int { return cmp.Compare(x.seenSince, y.seenSince) })
	return receiving
}

// squeezable returns what could be squeezed out of accounts.
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
