package connlimit

import (
	"container/list"
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

// Limiter keeps account of connections. It is safe for concurrent use.
type Limiter struct {
	limits Limits
	budget Budget

	mu     sync.Mutex
	counts Counts
	peers  map[netip.Prefix]*peer
	open   queue
	// idleBytes is what those hold that are idle.
	idleBytes int64
}

// peer is an address that has connections open.
type peer struct{ open queue }

// queue has connections in the order in which they are to be closed: those that were
// never used, those that are not used any more, those that are. Of each kind those come
// first of which that, or the last stream, was longest ago.
type queue [kinds]list.List

const (
	unused = iota
	idle
	inUse
	kinds
)

func (q *queue) len() (sum int) {
	for kind := range q {
		sum += q[kind].Len()
	}
	return sum
}

// first returns the connection of some kind, or one before, that is to be closed first;
// nil: there is none.
func (q *queue) first(last int) *Conn {
	for kind := range last + 1 {
		if e := q[kind].Front(); e != nil {
			c, _ := e.Value.(*Conn)
			return c
		}
	}
	return nil
}

// heaviest returns the idle connection that holds most, of one that was used only a
// part counting; nil: there is none.
func (q *queue) heaviest() (heaviest *Conn) {
	const part = 4
	most := 0
	for kind := range inUse {
		for e := q[kind].Front(); e != nil; e = e.Next() {
			c, ok := e.Value.(*Conn)
			if !ok {
				continue
			}
			weight := c.bytes
			if kind == idle {
				weight /= part
			}
			if heaviest == nil || weight > most {
				heaviest, most = c, weight
			}
		}
	}
	return heaviest
}

// New returns a limiter that draws what connections hold.
func New(limits Limits, budget Budget) *Limiter {
	return &Limiter{limits: limits, budget: budget, peers: map[netip.Prefix]*peer{}}
}

// Counts returns what the limiter has done so far.
func (l *Limiter) Counts() Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts
	counts.Open = int64(l.open.len())
	return counts
}

// Take returns a connection that must be used in place of conn, and holds so many
// bytes until it is closed. It returns nil, and closes conn, where there is no room.
func (l *Limiter) Take(conn net.Conn, bytes int) *Conn {
	c := &Conn{Conn: conn, limiter: l, address: addressOf(conn), bytes: bytes, since: time.Now()}
	l.mu.Lock()
	evicted, ok := l.makeRoom(c.address)
	if ok {
		l.add(c)
		evicted = append(evicted, l.lighten()...)
	} else {
		l.counts.Refused++
	}
	l.mu.Unlock()
	l.closeAll(evicted)
	if !ok {
		_ = conn.Close() // nothing was sent or read yet
		return nil
	}
	return c
}

// CloseIdle closes the connections that nobody uses and that have no stream.
func (l *Limiter) CloseIdle() {
	l.closeWhere(func(c *Conn) bool { return c.kind != inUse && c.streams == 0 })
}

// CloseAll closes all connections.
func (l *Limiter) CloseAll() {
	l.closeWhere(func(*Conn) bool { return true })
}

func (l *Limiter) closeWhere(so func(*Conn) bool) {
	l.mu.Lock()
	var closing []*Conn
	for kind := range l.open {
		for e := l.open[kind].Front(); e != nil; e = e.Next() {
			if c, ok := e.Value.(*Conn); ok && so(c) {
				closing = append(closing, c)
			}
		}
	}
	l.mu.Unlock()
	for _, c := range closing {
		_ = c.Close() // whose it is sees that
	}
}

// makeRoom returns the connection to be closed, if one has to be, to make room for one
// of that address, and whether there is room then.
func (l *Limiter) makeRoom(address netip.Prefix) (evicted []*Conn, ok bool) {
	from := &l.open
	of := l.peers[address]
	switch {
	case of != nil && l.limits.PeerConnections > 0 && of.open.len() >= l.limits.PeerConnections:
		from = &of.open
	case l.open.len() < l.limits.Connections:
		return nil, true
	}
	last := idle
	if l.limits.EvictUsed {
		last = inUse
	}
	c := from.first(last)
	if c == nil {
		return nil, false
	}
	l.evict(c)
	return []*Conn{c}, true
}

// lighten returns the connections to be closed for those that are idle to hold no more
// than they may.
func (l *Limiter) lighten() (evicted []*Conn) {
	for l.limits.IdleBytes > 0 && l.idleBytes > l.limits.IdleBytes {
		c := l.open.heaviest()
		l.evict(c)
		evicted = append(evicted, c)
	}
	return evicted
}

// evict removes a connection that is to be closed.
func (l *Limiter) evict(c *Conn) {
	l.remove(c)
	l.counts.Evicted++
}

func (l *Limiter) add(c *Conn) {
	l.counts.Taken++
	if c.address.IsValid() {
		if c.peer = l.peers[c.address]; c.peer == nil {
			c.peer = &peer{}
			l.peers[c.address] = c.peer
		}
	}
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
	l.dequeue(c)
	l.budget.Draw(-c.bytes)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.peer != nil && c.peer.open.len() == 0 {
		delete(l.peers, c.address)
	}
}

// enqueue enters the connection as the last one of its kind.
func (l *Limiter) enqueue(c *Conn) {
	c.place = l.open[c.kind].PushBack(c)
	if c.peer != nil {
		c.peerPlace = c.peer.open[c.kind].PushBack(c)
	}
	if c.kind != inUse {
		l.idleBytes += int64(c.bytes)
	}
}

// dequeue is the opposite of enqueue.
func (l *Limiter) dequeue(c *Conn) {
	l.open[c.kind].Remove(c.place)
	if c.peer != nil {
		c.peer.open[c.kind].Remove(c.peerPlace)
	}
	c.place, c.peerPlace = nil, nil
	if c.kind != inUse {
		l.idleBytes -= int64(c.bytes)
	}
}

// move has the connection be the last one of a kind, unless it is closed.
func (l *Limiter) move(c *Conn, kind int) {
	if c.place == nil {
		return
	}
	l.dequeue(c)
	c.kind = kind
	l.enqueue(c)
}

// closeAll closes connections that were evicted.
func (l *Limiter) closeAll(conns []*Conn) {
	for _, c := range conns {
		_ = c.Conn.Close() // whose it was sees that
		if l.limits.OnEvict != nil {
			l.limits.OnEvict(c.RemoteAddr())
		}
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
