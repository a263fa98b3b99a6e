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
	crumbsPercent = 1
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
	var now, collected int64
	for b.short() || b.leave() {
		now++
		exceeded := b.look(now, collected == now-1)
		if exceeded && now-collected >= collectTicks {
			collected = now
			runtime.GC() //nolint:revive // see collectTicks
		}
		select {
		case <-ticker.C:
		case <-b.stop:
			return
		}
	}
}

// leave ends the overseeing, and returns false, unless there is something to look
// after again and nobody else does.
func (b *Budget) leave() bool {
	b.overseen.Store(false)
	return b.short() && b.overseen.CompareAndSwap(false, true)
}

// short tells that there is something to look after.
func (b *Budget) short() bool {
	return b.waiting.Load() > 0 || b.drawn.Load() > b.percent(squeezePercent)
}

// look lets accounts go on, and has others hold less. It returns whether more is
// drawn than there is; collected tells that no garbage is counted in that.
func (b *Budget) look(now int64, collected bool) (exceeded bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	accounts := make([]*Account, 0, len(b.accounts))
	holds := make(map[*Account]int64, len(b.accounts)) // it changes while they are sorted
	var held int64
	for a := range b.accounts {
		accounts = append(accounts, a)
		holds[a] = a.held.Load() + a.attributed.Load()
		held += a.held.Load()
	}
	slices.SortFunc(accounts, func(x, y *Account) int { return cmp.Compare(holds[x], holds[y]) })
	b.squeeze(accounts, now)
	exceeded = b.free() <= 0
	switch {
	case exceeded && collected:
		b.giveUp(accounts, 0)
	case b.refused:
		b.giveUp(accounts, patience)
	}
	b.refused = false
	if !b.grant(accounts) && held <= b.percent(crumbsPercent) {
		b.grantOne(accounts)
	}
	return exceeded
}

// grant lets accounts go on, those that hold least first.
func (b *Budget) grant(accounts []*Account) (any bool) {
	free := b.free()
	for _, a := range accounts {
		if a.granted != nil && a.mayTake(free) {
			b.letGo(a)
			free -= grantBytes
			any = true
		}
	}
	return any
}

// grantOne lets one account go on though there is no room for it. It is for when
// nothing is left that could be moved to make room.
func (b *Budget) grantOne(accounts []*Account) {
	for _, a := range accounts {
		if a.granted != nil {
			b.letGo(a)
			return
		}
	}
}

// squeeze asks accounts to hold less, those that hold most first, until what
// they hold is what is missing.
func (b *Budget) squeeze(accounts []*Account, now int64) {
	drawn := b.drawn.Load()
	if drawn <= b.percent(squeezePercent) {
		return
	}
	missing := drawn - b.percent(relaxedPercent)
	left := squeezesPerTick
	for _, a := range slices.Backward(accounts) {
		held := a.held.Load()
		if missing <= 0 || held == 0 || left == 0 {
			return
		}
		if held == a.squeezed.held && now-a.squeezed.tick < squeezeAgainTicks {
			continue // it has nothing more to give
		}
		a.squeezed = squeezed{tick: now, held: held}
		b.order(a, Squeeze)
		missing -= held
		left--
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
	// giveUpShare is the part of the streams that are ended at a time.
	giveUpShare = 16
	// patience is how long a client may keep the server waiting while others are
	// refused.
	patience = 10 * time.Second
)

// giveUp asks some of the streams to end that have received for as long as that,
// those that do so longest. What they receive is in nobody's account, and their
// clients may never send the rest of it.
func (b *Budget) giveUp(accounts []*Account, least time.Duration) {
	since := make(map[*Account]int64)
	var receiving []*Account
	latest := time.Now().Add(-least).UnixNano()
	for _, a := range accounts {
		if at := a.receiving.Load(); at != 0 && at <= latest {
			receiving = append(receiving, a)
			since[a] = at
		}
	}
	slices.SortFunc(receiving, func(x, y *Account) int { return cmp.Compare(since[x], since[y]) })
	for _, a := range receiving[:(len(receiving)+giveUpShare-1)/giveUpShare] {
		b.order(a, GiveUp)
	}
}

func (b *Budget) stopAccount(a *Account, granted chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.granted = granted
	b.waiting.Add(1)
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
