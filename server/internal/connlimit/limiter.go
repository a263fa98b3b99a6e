package connlimit

import (
	"container/list"
	"iter"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits configures a [Limiter]. 0 means no limit, except in Connections.
type Limits struct {
	// Connections limits the open connections. Required.
	Connections int
	// PeerConnections limits the connections from one IPv4 address, or from one IPv6
	// network of 64 bits. Connections on unix sockets have no address.
	PeerConnections int
	// IdleBytes limits the memory of all connections not in use. If they hold more, those
	// that hold the most are closed. The bytes of a connection that was used before count a
	// quarter.
	IdleBytes int64
	// UnusedTimeout limits how long a connection may be open without ever being used and
	// without a stream.
	UnusedTimeout time.Duration
	// EvictUsed also evicts connections in use, once all others are gone.
	EvictUsed bool
	// OnEvict is called with the remote address of each connection that was closed to
	// make room. May be nil.
	OnEvict func(client net.Addr)
}

// Budget is the memory that connections are drawn from. Drawing a negative number gives
// bytes back.
type Budget interface {
	Draw(bytes int)
}

// Counts counts connections.
type Counts struct {
	Open, Taken int64
	// Refused connections were closed at once, Evicted ones to make room, and Unused ones
	// after UnusedTimeout.
	Refused, Evicted, Unused int64
}

// Limiter limits connections. It is safe for concurrent use. It holds its lock while it
// draws from the budget, but not while it closes connections or calls OnEvict.
type Limiter struct {
	limits Limits
	budget Budget

	mu     sync.Mutex
	counts Counts
	// open holds the connections of each kind, in the order in which to close them.
	open [kinds]list.List
	// peers counts the open connections of each address.
	peers map[netip.Prefix]int
	// idleBytes is the memory held by connections not in use.
	idleBytes int64
}

// kind says whether a connection is used. The connections of lower kinds are closed first.
type kind int

const (
	unused   kind = iota // never used
	released             // used before
	inUse
	kinds
)

// New returns a limiter that draws the memory of connections from budget.
func New(limits Limits, budget Budget) *Limiter {
	return &Limiter{limits: limits, budget: budget, peers: map[netip.Prefix]int{}}
}

// Counts returns the counts so far.
func (l *Limiter) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// Take returns a connection to be used in place of conn. It holds the given number of
// bytes until it is closed. If there is no room, Take closes conn and returns nil.
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
		_ = conn.Close() // nothing was sent yet
		return nil
	}
	return c
}

// Accept returns the next connection of a listener for which Take finds room. It calls
// refused with each connection that Take has closed instead.
func (l *Limiter) Accept(from net.Listener, bytes int, refused func(net.Conn)) (*Conn, error) {
	for {
		conn, err := from.Accept()
		if err != nil {
			return nil, err
		}
		if taken := l.Take(conn, bytes); taken != nil {
			return taken, nil
		}
		refused(conn)
	}
}

// CloseIdle closes the connections that are not in use and have no stream.
func (l *Limiter) CloseIdle() {
	l.closeWhere(released, func(c *Conn) bool { return c.streams == 0 })
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
		_ = c.Close() // its reader notices
	}
}

// until returns the connections of all kinds up to last, in the order in which to close
// them. None may be removed meanwhile.
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

// makeRoom reports whether there is room for a connection from address. It evicts another
// one if it must, and returns it. An address at its limit loses a connection of its own.
func (l *Limiter) makeRoom(address netip.Prefix) (evicted []*Conn, ok bool) {
	atLimit := l.limits.PeerConnections > 0 && address.IsValid() && l.peers[address] >= l.limits.PeerConnections
	if !atLimit && l.counts.Open < int64(l.limits.Connections) {
		return nil, true
	}
	last := released
	if l.limits.EvictUsed {
		last = inUse
	}
	for c := range l.until(last) {
		if !atLimit || c.address == address {
			l.evict(c)
			return []*Conn{c}, true
		}
	}
	return nil, false
}

// evictHeavy evicts the heaviest connections until those not in use hold at most IdleBytes.
func (l *Limiter) evictHeavy() (evicted []*Conn) {
	for l.limits.IdleBytes > 0 && l.idleBytes > l.limits.IdleBytes {
		c := l.heaviest()
		l.evict(c)
		evicted = append(evicted, c)
	}
	return evicted
}

// heaviest returns the idle connection that holds the most memory. The bytes of a
// connection that was used count a quarter, because it holds the most just when its upload
// has ended.
func (l *Limiter) heaviest() (heaviest *Conn) {
	most := -1
	for c := range l.until(released) {
		weight := c.bytes
		if c.kind == released {
			weight /= 4
		}
		if weight > most {
			heaviest, most = c, weight
		}
	}
	return heaviest
}

// evict removes and counts a connection. The caller must close it.
func (l *Limiter) evict(c *Conn) {
	l.remove(c)
	l.counts.Evicted++
}

// closeEvicted closes evicted connections. The caller must not hold mu.
func (l *Limiter) closeEvicted(conns []*Conn) {
	for _, c := range conns {
		_ = c.Conn.Close() // its reader notices
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

// remove stops counting c. Removing again does nothing.
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

// move makes c the last connection of a kind.
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

// addressOf returns the remote address as PeerConnections counts it, or an invalid prefix.
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
