package connlimit

import (
	"container/list"
	"iter"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits are what a [Limiter] bounds. 0 stands for no limit, except in Connections.
type Limits struct {
	// Connections is how many may be open. Required.
	Connections int
	// PeerConnections is how many of them may be of one IPv4 address, or of one IPv6
	// network of 64 bits. Those of unix sockets have no address.
	PeerConnections int
	// IdleBytes is what those that are idle may hold together. Where they hold more,
	// those that hold most are closed, and those that were used only where they hold four
	// times as much as others.
	IdleBytes int64
	// UnusedTimeout is how long one may be open that has never been used, and has no
	// stream.
	UnusedTimeout time.Duration
	// EvictUsed has connections closed for others that are in use, too, where there are
	// none that are not.
	EvictUsed bool
	// OnEvict is called with the other end of each connection that was closed to make
	// room for others. Nil: nobody is.
	OnEvict func(client net.Addr)
}

// Budget is what is drawn from. Drawing a negative number gives back.
type Budget interface {
	Draw(bytes int)
}

// Counts is what a limiter has done.
type Counts struct {
	Open, Taken int64
	// Refused were closed at once, Evicted to make room for others, and Unused as
	// nobody has used them in time.
	Refused, Evicted, Unused int64
}

// Limiter keeps account of connections. It is safe for concurrent use. Its lock is not held
// when connections are closed and OnEvict is called; its budget is drawn from while it is.
type Limiter struct {
	limits Limits
	budget Budget

	mu     sync.Mutex
	counts Counts
	// open has the connections of each kind, those first that are to be closed first.
	open [kinds]list.List
	// peers is how many connections each address has open.
	peers map[netip.Prefix]int
	// idleBytes is what those hold that are idle.
	idleBytes int64
}

// kind is a kind of connections. Those of the first kind are closed first.
type kind int

const (
	unused kind = iota // it was never used
	idle               // it was used
	inUse
	kinds
)

// New returns a limiter that draws what connections hold.
func New(limits Limits, budget Budget) *Limiter {
	return &Limiter{limits: limits, budget: budget, peers: map[netip.Prefix]int{}}
}

// Counts returns what the limiter has done so far.
func (l *Limiter) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Take returns a connection that must be used in place of conn, and holds so many
// bytes until it is closed. It returns nil, and closes conn, where there is no room.
func (l *Limiter) Take(conn net.Conn, bytes int) *Conn {
	c := &Conn{Conn: conn, limiter: l, address: addressOf(conn), bytes: bytes, since: time.Now()}
	l.mu.Lock()
	evicted, ok := l.makeRoom(c.address)
	if ok {
		l.add(c)
		evicted = append(evicted, l.evictHeavy()...)
	} else {
		l.counts.Refused++
	}
	l.mu.Unlock()
	l.closeEvicted(evicted)
	if !ok {
		_ = conn.Close() // nothing was sent or read yet
		return nil
	}
	return c
}

// CloseIdle closes the connections that nobody uses and that have no stream.
func (l *Limiter) CloseIdle() {
	l.closeWhere(idle, func(c *Conn) bool { return c.streams == 0 })
}

// CloseAll closes all connections.
func (l *Limiter) CloseAll() {
	l.closeWhere(inUse, func(*Conn) bool { return true })
}

func (l *Limiter) closeWhere(last kind, condition func(*Conn) bool) {
	l.mu.Lock()
	var closing []*Conn
	for c := range l.until(last) {
		if condition(c) {
			closing = append(closing, c)
		}
	}
	l.mu.Unlock()
	for _, c := range closing {
		_ = c.Close() // its reader sees that
	}
}

// until returns the connections until the last of that kind, in the order in which they are
// to be closed. None may be removed meanwhile.
func (l *Limiter) until(last kind) iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		for k := range last + 1 {
			for e := l.open[k].Front(); e != nil; e = e.Next() {
				if c, ok := e.Value.(*Conn); ok && !yield(c) {
					return
				}
			}
		}
	}
}

// makeRoom reports whether there is room for a connection of that address, and returns the one
// that was evicted for it, if one had to be. An address that has its share makes room itself.
func (l *Limiter) makeRoom(address netip.Prefix) (evicted []*Conn, ok bool) {
	hasShare := l.limits.PeerConnections > 0 && address.IsValid() && l.peers[address] >= l.limits.PeerConnections
	if !hasShare && l.counts.Open < int64(l.limits.Connections) {
		return nil, true
	}
	last := idle
	if l.limits.EvictUsed {
		last = inUse
	}
	for c := range l.until(last) {
		if !hasShare || c.address == address {
			l.evict(c)
			return []*Conn{c}, true
		}
	}
	return nil, false
}

// evictHeavy evicts those connections that hold most until those that are idle hold no more
// than they may.
func (l *Limiter) evictHeavy() (evicted []*Conn) {
	for l.limits.IdleBytes > 0 && l.idleBytes > l.limits.IdleBytes {
		c := l.heaviest()
		l.evict(c)
		evicted = append(evicted, c)
	}
	return evicted
}

// heaviest returns the idle connection that holds most. One that was used counts with a
// quarter: it holds most at the moment when its upload has ended.
func (l *Limiter) heaviest() (heaviest *Conn) {
	most := -1
	for c := range l.until(idle) {
		weight := c.bytes
		if c.kind == idle {
			weight /= 4
		}
		if weight > most {
			heaviest, most = c, weight
		}
	}
	return heaviest
}

// evict removes a connection that is to be closed, which is counted.
func (l *Limiter) evict(c *Conn) {
	l.remove(c)
	l.counts.Evicted++
}

// closeEvicted closes connections that were evicted. mu must not be held.
func (l *Limiter) closeEvicted(conns []*Conn) {
	for _, c := range conns {
		_ = c.Conn.Close() // its reader sees that
		if l.limits.OnEvict != nil {
			l.limits.OnEvict(c.RemoteAddr())
		}
	}
}

func (l *Limiter) add(c *Conn) {
	l.counts.Taken++
	l.counts.Open++
	l.peers[c.address]++
	l.enqueue(c)
	l.budget.Draw(c.bytes)
	if l.limits.UnusedTimeout > 0 {
		c.timer = time.AfterFunc(l.limits.UnusedTimeout, c.expire)
	}
}

// remove has the connection count no longer. Twice does nothing.
func (l *Limiter) remove(c *Conn) {
	if c.place == nil {
		return
	}
	l.counts.Open--
	if l.peers[c.address]--; l.peers[c.address] == 0 {
		delete(l.peers, c.address)
	}
	l.dequeue(c)
	l.budget.Draw(-c.bytes)
	if c.timer != nil {
		c.timer.Stop()
	}
}

// move makes the connection the last one of a kind.
func (l *Limiter) move(c *Conn, to kind) {
	l.dequeue(c)
	c.kind = to
	l.enqueue(c)
}

func (l *Limiter) enqueue(c *Conn) {
	c.place = l.open[c.kind].PushBack(c)
	if c.kind != inUse {
		l.idleBytes += int64(c.bytes)
	}
}

func (l *Limiter) dequeue(c *Conn) {
	l.open[c.kind].Remove(c.place)
	c.place = nil
	if c.kind != inUse {
		l.idleBytes -= int64(c.bytes)
	}
}

// addressOf returns what counts as one address of the other end.
func addressOf(conn net.Conn) netip.Prefix {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	const networkBits = 64
	prefix, err := address.Prefix(min(address.BitLen(), networkBits))
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
