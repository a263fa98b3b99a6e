package memory

import (
	"cmp"
	"runtime"
	"slices"
	"time"
)

const (
	// tick is how often the overseer looks, while there is something to see.
	tick = 50 * time.Millisecond
	// grantBytes is what an account that goes on is expected to take.
	grantBytes = 32 << 10
	// squeezeAgainTicks is when an account that did not change is squeezed again.
	squeezeAgainTicks = 20
	// collectTicks is how often, at most, the garbage collector is called when more
	// is drawn than there is: gRPC drops some buffers without giving them back.
	collectTicks = 4
	// crumbsPercent of the budget is so little that nothing is gained by waiting
	// until it is moved.
	crumbsPercent = 4
)

// squeezed is the last squeezing of an account.
type squeezed struct {
	tick int64
	held int64
}

// wakeOverseer has somebody look after the accounts, unless somebody does.
func (b *Budget) wakeOverseer() {
	if b.overseen.CompareAndSwap(false, true) {
		b.overseers.Go(b.oversee)
	}
}

// oversee looks after accounts that wait, or hold too much, tick by tick, until
// there are none.
func (b *Budget) oversee() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for b.short() || b.leave() {
		if b.look() {
			runtime.GC() // see collectTicks
		}
		for nudged := true; nudged; {
			select {
			case <-ticker.C:
				nudged = false
			case <-b.nudges:
				b.goOnWithout()
			case <-b.stop:
				return
			}
		}
	}
}

// leave ends the overseeing, and returns false, unless there is something to look
// after again and nobody else does.
func (b *Budget) leave() bool {
	b.overseen.Store(false)
	b.mu.Lock()
	b.relieve()
	b.mu.Unlock()
	return b.short() && b.overseen.CompareAndSwap(false, true)
}

// short tells that there is something to look after.
func (b *Budget) short() bool {
	return b.waiting.Load() > 0 || b.Squeezing()
}

// look lets accounts go on, and has others hold less. It returns whether the
// garbage collector is to be called.
func (b *Budget) look() (collect bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ticks++
	b.squeezesLeft = squeezesPerTick
	accounts := b.sorted()
	if drawn := b.drawn.Load(); drawn > b.percent(squeezePercent) {
		b.squeeze(accounts, drawn-b.percent(relaxedPercent))
	}
	switch exceeded := b.Exceeded(); {
	case exceeded && b.ticks-b.collected >= collectTicks:
		b.collected, collect = b.ticks, true
	case exceeded && b.ticks-b.collected == 1: // no garbage is counted any more
		b.giveUp(accounts)
	case b.refused:
		b.giveUpSlow(accounts)
	}
	b.refused = false
	b.relieve()
	b.grantCallers(accounts)
	if !b.grant(accounts) {
		b.makeRoom(accounts)
	}
	return collect
}

// sorted returns the accounts, those that hold least first.
func (b *Budget) sorted() []*Account {
	accounts := make([]*Account, 0, len(b.accounts))
	holds := make(map[*Account]int64, len(b.accounts)) // it changes while they are sorted
	for a := range b.accounts {
		accounts = append(accounts, a)
		holds[a] = a.carriedBytes()
	}
	slices.SortFunc(accounts, func(x, y *Account) int { return cmp.Compare(holds[x], holds[y]) })
	return accounts
}

// goOnWithout lets the next account go on without room when the one before has
// come back.
func (b *Budget) goOnWithout() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if accounts := b.sorted(); !b.grant(accounts) && heldBytes(accounts) <= b.percent(crumbsPercent) {
		b.grantOne(accounts)
	}
}

// grant lets accounts go on, those that hold least first.
func (b *Budget) grant(accounts []*Account) (granted bool) {
	free := b.free()
	for _, a := range accounts {
		if a.granted != nil && a.mayTake(free) {
			b.letGo(a)
			free -= grantBytes
			granted = true
		}
	}
	return granted
}

// makeRoom is for when no account that waits may go on: the next one's room is
// squeezed out of the others, or, where nothing is left that could be moved, it
// goes on though there is none.
func (b *Budget) makeRoom(accounts []*Account) {
	next := slices.IndexFunc(accounts, func(a *Account) bool {
		return a.granted != nil && !a.atLimit()
	})
	if next < 0 {
		return
	}
	if heldBytes(accounts) <= b.percent(crumbsPercent) {
		b.grantOne(accounts)
		if b.ticks%squeezeAgainTicks == 0 {
			b.letGo(accounts[next]) // nobody waits for good behind one that never ends
		}
		return
	}
	a := accounts[next]
	b.squeeze(accounts, a.carriedBytes()-b.free()+grantBytes)
}

// grantCallers does the same for callers, and groups, of which all accounts wait
// because they hold as much as they may, whatever there is for others.
func (b *Budget) grantCallers(accounts []*Account) {
	stopped := map[*caller][]*Account{}
	for _, a := range accounts {
		for _, of := range a.callers {
			if a.granted != nil && of.atLimit() {
				stopped[of] = nil
			}
		}
	}
	if len(stopped) == 0 {
		return
	}
	for _, a := range accounts {
		for _, of := range a.callers {
			if list, ok := stopped[of]; ok {
				stopped[of] = append(list, a)
			}
		}
	}
	for of, accounts := range stopped {
		limit := of.limitBytes.Load()
		if heldBytes(accounts) <= limit/100*crumbsPercent {
			b.grantOne(accounts)
			continue
		}
		b.squeeze(accounts, of.held.Load()-limit/100*relaxedPercent)
	}
}

// grantOne lets the one of the accounts go on without room that holds most, and the
// next one when it is back: it is nearest to its end, and gives all back there,
// while those that hold little would come to hold much together.
func (b *Budget) grantOne(accounts []*Account) {
	for _, a := range slices.Backward(accounts) {
		if a.granted != nil {
			a.without = true
			b.letGo(a)
			return
		}
	}
}

// back tells the overseer that the account does not need any more what it went on
// for. It must be called with mu held.
func (b *Budget) back(a *Account) {
	if !a.without {
		return
	}
	a.without = false
	select {
	case b.nudges <- struct{}{}:
	default:
	}
}

// heldBytes returns what could be squeezed out of accounts.
func heldBytes(accounts []*Account) (held int64) {
	for _, a := range accounts {
		if !a.stuck.Load() {
			held += a.held.Load()
		}
	}
	return held
}

// squeeze asks accounts to hold less, those that hold most first, until what
// they hold is what is missing.
func (b *Budget) squeeze(accounts []*Account, missing int64) {
	for _, a := range slices.Backward(accounts) {
		held := a.held.Load()
		if missing <= 0 || b.squeezesLeft == 0 {
			return
		}
		if held == 0 || held == a.squeezed.held && b.ticks-a.squeezed.tick < squeezeAgainTicks {
			continue // it has nothing, or nothing more, to give
		}
		a.squeezed = squeezed{tick: b.ticks, held: held}
		b.order(a, Squeeze)
		missing -= held
		b.squeezesLeft--
	}
}

// squeezesPerTick bounds the goroutines that squeeze.
const squeezesPerTick = 256

// order must be called with mu held.
func (b *Budget) order(a *Account, o Order) {
	if o == GiveUp {
		b.counts.GiveUps++
	} else {
		b.counts.Squeezes++
	}
	b.overseers.Go(func() { a.obey(o) })
}

const (
	// giveUpShare is the part of the streams, at most, that are ended at a time.
	giveUpShare = 8
	// patience is how long a client may keep the server waiting while others are
	// refused.
	patience = 10 * time.Second
	// slow is how long it may do so while a client that has nothing is refused.
	slow = 200 * time.Millisecond
	// unseenBytes is what a stream may hold that is in nobody's account, because it
	// is not yet received: what its window lets its client send.
	unseenBytes = 64 << 10
)

// giveUp asks as many streams to end as hold what is drawn beyond the limit. What
// is squeezed, it is too late for. First are those that receive, as what they
// hold may be more than is known, those that do so longest; then those that wait
// and hold most. As many as were too many are not admitted again soon.
func (b *Budget) giveUp(accounts []*Account) {
	candidates := receiving(accounts, 0)
	for _, a := range slices.Backward(accounts) {
		if a.granted != nil {
			candidates = append(candidates, a)
		}
	}
	excess := -b.free()
	victims := 0
	for _, a := range candidates[:share(len(candidates))] {
		if excess < 0 {
			break
		}
		b.order(a, GiveUp)
		excess -= a.totalBytes() + unseenBytes
		victims++
	}
	b.ceiling = ceiling{admitted: max(1, b.admitted-victims), since: time.Now()}
}

// giveUpSlow asks streams to end of which the clients keep the server waiting: they
// may never send the rest of what they have begun to send.
func (b *Budget) giveUpSlow(accounts []*Account) {
	slow := receiving(accounts, patience)
	for _, a := range slow[:share(len(slow))] {
		b.order(a, GiveUp)
	}
}

// giveUpSlowest asks the stream to end of which the client keeps the server waiting
// longest, unless none does so for long enough. It must be called with mu held.
func (b *Budget) giveUpSlowest() bool {
	var slowest *Account
	since := time.Now().Add(-slow).UnixNano()
	for a := range b.accounts {
		if at := a.receiving.Load(); at != 0 && at < since {
			slowest, since = a, at
		}
	}
	if slowest == nil {
		return false
	}
	slowest.receiving.Store(0) // once is enough
	b.order(slowest, GiveUp)
	return true
}

func share(count int) int { return (count + giveUpShare - 1) / giveUpShare }

// receiving returns those of the accounts that have received for as long as that,
// those that do so longest first, and of these the largest.
func receiving(accounts []*Account, least time.Duration) []*Account {
	since := make(map[*Account]int64)
	var found []*Account
	latest := time.Now().Add(-least).UnixNano()
	for _, a := range slices.Backward(accounts) {
		if at := a.receiving.Load(); at != 0 && at <= latest {
			found = append(found, a)
			since[a] = at
		}
	}
	slices.SortStableFunc(found, func(x, y *Account) int { return cmp.Compare(since[x], since[y]) })
	return found
}

func (b *Budget) stopAccount(a *Account, granted chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.granted = granted
	b.waiting.Add(1)
	b.back(a)
}

func (b *Budget) goOn(a *Account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letGo(a)
}

// letGo must be called with mu held.
func (b *Budget) letGo(a *Account) {
	if a.granted != nil {
		close(a.granted)
		a.granted = nil
		b.waiting.Add(-1)
	}
}
