package connlimit_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/connlimit"
)

// peer is a network connection that records whether it was closed.
type peer struct {
	net.Conn // nil, as no other method is called
	address  net.Addr
	mu       sync.Mutex
	closes   int
}

func (p *peer) RemoteAddr() net.Addr { return p.address }

func (p *peer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closes++
	return nil
}

func (p *peer) closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closes > 0
}

func from(address string) *peer {
	if address == "unix" {
		return &peer{address: &net.UnixAddr{Net: "unix"}}
	}
	return &peer{address: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
}

// purse is a budget without a limit.
type purse struct {
	mu    sync.Mutex
	drawn int
}

func (p *purse) Draw(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn += bytes
}

// room is a limiter with the connections it has taken, by name.
type room struct {
	*connlimit.Limiter
	purse purse
	peers map[string]*peer
	conns map[string]*connlimit.Conn
}

func newRoom(limits connlimit.Limits) *room {
	r := &room{peers: map[string]*peer{}, conns: map[string]*connlimit.Conn{}}
	r.Limiter = connlimit.New(limits, &r.purse)
	return r
}

// enter offers a connection from address and reports whether it was taken.
func (r *room) enter(name, address string, bytes int) bool {
	p := from(address)
	c := r.Take(p, bytes)
	if c == nil {
		return false
	}
	r.peers[name], r.conns[name] = p, c
	return true
}

// open returns the sorted names of the open connections.
func (r *room) open() (names []string) {
	for name, p := range r.peers {
		if !p.closed() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (r *room) requireOpen(t *testing.T, want ...string) {
	t.Helper()
	if got := r.open(); !slices.Equal(got, want) || r.Counts().Open != int64(len(want)) {
		t.Errorf("%v are open and %d are counted, want %v", got, r.Counts().Open, want)
	}
}

// leave closes all connections twice, and checks that nothing is left.
func (r *room) leave(t *testing.T) {
	t.Helper()
	for _, c := range r.conns {
		for range 2 {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if r.purse.drawn != 0 || r.Counts().Open != 0 {
		t.Errorf("%d bytes are drawn and %d connections counted at the end, want none", r.purse.drawn, r.Counts().Open)
	}
}

// A new connection replaces the one that has been idle longest. Connections that were
// never used go first.
func TestRoomIsMade(t *testing.T) {
	t.Parallel()
	r := newRoom(connlimit.Limits{Connections: 4})
	for _, name := range []string{"a", "b", "c", "d"} {
		r.enter(name, "10.0.0.1:1", 10)
	}
	r.conns["a"].Use()
	r.conns["b"].Enter() // a stream, such as a health check
	r.conns["b"].Exit()
	r.enter("e", "10.0.0.2:1", 10)
	r.requireOpen(t, "a", "b", "d", "e")
	r.conns["a"].Release()
	r.enter("f", "unix", 10)
	r.requireOpen(t, "a", "b", "e", "f")
	for _, name := range []string{"b", "e", "f"} {
		r.conns[name].Use()
	}
	r.enter("g", "10.0.0.2:1", 10)
	r.requireOpen(t, "b", "e", "f", "g")
	r.conns["g"].Use()
	if r.enter("h", "10.0.0.2:1", 10) {
		t.Error("a connection was taken although all others are in use")
	}
	r.requireOpen(t, "b", "e", "f", "g")
	if got, want := r.Counts(), (connlimit.Counts{Open: 4, Taken: 7, Refused: 1, Evicted: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	r.leave(t)
}

// With EvictUsed connections in use are evicted too, the one in use for longest first.
func TestUsedMakeRoom(t *testing.T) {
	t.Parallel()
	r := newRoom(connlimit.Limits{Connections: 3, EvictUsed: true})
	for _, name := range []string{"a", "b", "c"} {
		r.enter(name, "10.0.0.1:1", 10)
	}
	for _, name := range []string{"b", "c", "a"} {
		r.conns[name].Use()
	}
	r.enter("d", "10.0.0.1:1", 10)
	r.requireOpen(t, "a", "c", "d")
	r.enter("e", "10.0.0.1:1", 10)
	r.requireOpen(t, "a", "c", "e")
	r.conns["a"].Release()
	r.conns["e"].Use()
	r.enter("f", "10.0.0.1:1", 10)
	r.requireOpen(t, "c", "e", "f")
	r.leave(t)
}

// OnEvict gets the address of each evicted connection.
func TestEvictedAreNamed(t *testing.T) {
	t.Parallel()
	var evicted []string
	r := newRoom(connlimit.Limits{Connections: 1, OnEvict: func(client net.Addr) { evicted = append(evicted, client.String()) }})
	for _, address := range []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"} {
		r.enter(address, address, 10)
	}
	if !slices.Equal(evicted, []string{"10.0.0.1:1", "10.0.0.1:2"}) {
		t.Errorf("%v were evicted, want the first two", evicted)
	}
	r.leave(t)
}

// An address at its limit loses one of its own connections.
func TestShare(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		same  [3]string
		other string
	}{
		"IPv4":           {[3]string{"10.0.0.1:1", "10.0.0.1:2", "[::ffff:10.0.0.1]:3"}, "10.0.0.2:1"},
		"IPv6":           {[3]string{"[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::ffff:0:0:1]:1"}, "[2001:db8:0:1::1]:1"},
		"IPv6 of a link": {[3]string{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", "[fe80::3]:1"}, "[fe81::1]:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(connlimit.Limits{Connections: 10, PeerConnections: 2})
			r.enter("other", test.other, 10)
			for i, name := range []string{"a", "b", "c"} {
				r.enter(name, test.same[i], 10)
			}
			r.requireOpen(t, "b", "c", "other")
			r.conns["b"].Use()
			r.conns["c"].Use()
			if r.enter("d", test.same[0], 10) {
				t.Error("a connection beyond the limit of its address was taken")
			}
			r.enter("d", test.other, 10)
			r.requireOpen(t, "b", "c", "d", "other")
			_ = r.conns["b"].Close()
			r.enter("e", test.same[0], 10)
			r.requireOpen(t, "c", "d", "e", "other")
			r.leave(t)
		})
	}
	t.Run("unix sockets have no address", func(t *testing.T) {
		t.Parallel()
		r := newRoom(connlimit.Limits{Connections: 10, PeerConnections: 1})
		for _, name := range []string{"a", "b", "c"} {
			r.enter(name, "unix", 10)
		}
		r.requireOpen(t, "a", "b", "c")
		r.leave(t)
	})
}

// When connections not in use hold more than IdleBytes, the heaviest are closed.
func TestIdleBytes(t *testing.T) {
	t.Parallel()
	r := newRoom(connlimit.Limits{Connections: 10, IdleBytes: 100})
	for _, name := range []string{"a", "b", "c"} {
		r.enter(name, "10.0.0.1:1", 20)
	}
	r.conns["b"].Draw(40)
	r.requireOpen(t, "a", "b", "c")
	r.conns["a"].Draw(1)
	r.requireOpen(t, "a", "c")
	r.conns["b"].Draw(1000) // does nothing: it is closed
	r.conns["a"].Use()
	r.conns["a"].Draw(1000)
	r.requireOpen(t, "a", "c")
	if r.purse.drawn != 1021+20 {
		t.Errorf("%d bytes are drawn, want %d", r.purse.drawn, 1021+20)
	}
	r.conns["a"].Draw(-1001)
	r.conns["a"].Release()
	r.enter("d", "10.0.0.1:1", 20)
	r.enter("e", "10.0.0.1:1", 20)
	r.requireOpen(t, "a", "c", "d", "e")
	r.conns["a"].Draw(60) // 80 bytes count as 20
	r.requireOpen(t, "a", "e")
	r.conns["a"].Use()
	r.conns["a"].Draw(4)
	r.enter("f", "10.0.0.1:1", 20)
	r.conns["a"].Release() // 84 bytes count as 21
	r.requireOpen(t, "e", "f")
	r.leave(t)
}

// A connection that is never used is closed after the timeout, unless it has a stream.
func TestUnused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const timeout = 30 * time.Second
		r := newRoom(connlimit.Limits{Connections: 10, UnusedTimeout: timeout})
		for _, name := range []string{"asks", "silent", "used", "watches"} {
			r.enter(name, "10.0.0.1:1", 10)
		}
		r.conns["watches"].Enter()
		<-time.After(timeout - 1)
		r.conns["asks"].Enter()
		r.conns["asks"].Exit()
		r.conns["used"].Use()
		r.conns["used"].Release()
		wait := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		wait(2)
		r.requireOpen(t, "asks", "used", "watches")
		wait(timeout)
		r.requireOpen(t, "used", "watches")
		wait(10 * timeout)
		r.conns["watches"].Exit()
		r.requireOpen(t, "used", "watches")
		wait(timeout + 1)
		r.requireOpen(t, "used")
		if unused := r.Counts().Unused; unused != 3 {
			t.Errorf("%d connections were closed as unused, want 3", unused)
		}
		r.leave(t)
	})
}

// CloseIdle closes only what is neither in use nor has a stream. CloseAll closes the rest.
func TestClose(t *testing.T) {
	t.Parallel()
	r := newRoom(connlimit.Limits{Connections: 10})
	for _, name := range []string{"idle", "silent", "used", "watches"} {
		r.enter(name, "10.0.0.1:1", 10)
	}
	r.conns["idle"].Use()
	r.conns["idle"].Release()
	r.conns["used"].Use()
	r.conns["watches"].Enter()
	r.CloseIdle()
	r.requireOpen(t, "used", "watches")
	r.CloseAll()
	r.requireOpen(t)
	r.leave(t)
}

// The methods of a nil Conn do nothing.
func TestNobodys(t *testing.T) {
	t.Parallel()
	var c *connlimit.Conn
	c.Draw(1)
	c.Enter()
	c.Exit()
	c.Use()
	c.Release()
}

// Whatever happens in whatever order, no limit is exceeded and no connection in use is
// closed.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limits := connlimit.Limits{
			Connections: rapid.IntRange(1, 6).Draw(rt, "connections"), PeerConnections: rapid.IntRange(0, 4).Draw(rt, "of a peer"),
			IdleBytes: int64(rapid.IntRange(0, 200).Draw(rt, "idle bytes")),
		}
		r := newRoom(limits)
		type state struct{ bytes, uses int }
		model := map[string]*state{}
		drawn := func() (sum, idle, used int) {
			for name, s := range model {
				if r.peers[name].closed() {
					if s.uses > 0 {
						rt.Fatalf("%s was closed while in use", name)
					}
					delete(model, name)
					continue
				}
				sum += s.bytes
				if s.uses > 0 {
					used++
				} else {
					idle += s.bytes
				}
			}
			return sum, idle, used
		}
		for i := range rapid.IntRange(1, 60).Draw(rt, "steps") {
			if len(model) == 0 || rapid.IntRange(0, 2).Draw(rt, "enters") == 0 {
				name := string(rune('A' + i))
				address := rapid.SampledFrom([]string{"10.0.0.1:1", "10.0.0.2:1", "unix"}).Draw(rt, "address")
				_, _, used := drawn()
				if r.enter(name, address, 10) {
					model[name] = &state{bytes: 10}
				} else if used < limits.Connections && (limits.PeerConnections == 0 || used < limits.PeerConnections) {
					rt.Fatalf("refused with only %d in use", used)
				}
			} else {
				names := make([]string, 0, len(model))
				for name := range model {
					names = append(names, name)
				}
				slices.Sort(names)
				name := rapid.SampledFrom(names).Draw(rt, "name")
				switch s := model[name]; rapid.IntRange(0, 4).Draw(rt, "does") {
				case 0:
					s.uses++
					r.conns[name].Use()
				case 1:
					if s.uses > 0 {
						s.uses--
						r.conns[name].Release()
					}
				case 2:
					more := rapid.IntRange(-s.bytes, 100).Draw(rt, "draws")
					s.bytes += more
					r.conns[name].Draw(more)
				case 3:
					r.conns[name].Enter()
					r.conns[name].Exit()
				case 4:
					delete(model, name)
					_ = r.conns[name].Close()
				}
			}
			sum, idle, _ := drawn()
			if sum != r.purse.drawn || limits.IdleBytes > 0 && idle > int(limits.IdleBytes) ||
				int64(len(model)) != r.Counts().Open || len(model) > limits.Connections {
				rt.Fatalf("%d bytes are drawn, want %d, of which %d are idle; %d connections are open and %d are counted",
					r.purse.drawn, sum, idle, len(model), r.Counts().Open)
			}
		}
	})
}

// listener accepts connections of peers.
type listener chan *peer

func (l listener) Accept() (net.Conn, error) {
	if p, ok := <-l; ok {
		return p, nil
	}
	return nil, net.ErrClosed
}

func (l listener) Close() error { return nil }

func (l listener) Addr() net.Addr { return nil }

// Accept passes over connections for which there is no room, until the listener fails.
func TestAccept(t *testing.T) {
	t.Parallel()
	l := connlimit.New(connlimit.Limits{Connections: 2, PeerConnections: 1}, &purse{})
	queue := make(listener, 3)
	first, second, third := from("10.0.0.1:1"), from("10.0.0.1:2"), from("10.0.0.2:3")
	for _, p := range []*peer{first, second, third} {
		queue <- p
	}
	close(queue)
	var refused []net.Conn
	accept := func() (*connlimit.Conn, error) {
		return l.Accept(queue, 1, func(conn net.Conn) { refused = append(refused, conn) })
	}
	used, err := accept()
	if err != nil {
		t.Fatal(err)
	}
	used.Use()
	next, err := accept()
	if err != nil || next.Conn != net.Conn(third) {
		t.Errorf("got %v, %v, want the connection of another address", next, err)
	}
	if len(refused) != 1 || refused[0] != net.Conn(second) || !second.closed() {
		t.Errorf("%d connections were refused, want the second one of an address", len(refused))
	}
	if got, err := accept(); got != nil || err == nil {
		t.Errorf("got %v, %v, want the listener's error", got, err)
	}
}
