package testbed

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Fault handles a POST whose body was read: it answers itself, or calls accept, which
// checks, stores and answers it. It must be safe for concurrent use.
type Fault func(w http.ResponseWriter, r *http.Request, post Post, accept http.HandlerFunc)

// Answer answers with the status and the body.
func Answer(status int, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ Post, _ http.HandlerFunc) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Hang never answers. It returns when the server gives up.
func Hang(_ http.ResponseWriter, r *http.Request, _ Post, _ http.HandlerFunc) {
	<-r.Context().Done()
}

// BreakOff closes the connection instead of answering.
func BreakOff(http.ResponseWriter, *http.Request, Post, http.HandlerFunc) {
	panic(http.ErrAbortHandler)
}

// OnBatch applies the fault to every batch of that number, and accepts others.
func OnBatch(num int, fault Fault) Fault {
	return func(w http.ResponseWriter, r *http.Request, post Post, accept http.HandlerFunc) {
		if post.BatchNum != num {
			accept(w, r)
			return
		}
		fault(w, r, post, accept)
	}
}

// Gate is a fault that holds every POST until it is opened.
type Gate struct {
	// Entered receives each POST when it is held, BrokenOff each one that the server
	// gave up before the gate was opened.
	Entered, BrokenOff chan Post

	open     chan struct{}
	openOnce sync.Once
}

// gatePosts is how many POSTs a gate reports without a reader.
const gatePosts = 1024

// NewGate returns a gate that is closed.
func NewGate() *Gate {
	return &Gate{
		Entered:   make(chan Post, gatePosts),
		BrokenOff: make(chan Post, gatePosts),
		open:      make(chan struct{}),
	}
}

// Fault holds the POST until the gate is opened, then accepts it.
func (g *Gate) Fault(w http.ResponseWriter, r *http.Request, post Post, accept http.HandlerFunc) {
	g.Entered <- post
	select {
	case <-g.open:
		accept(w, r)
	case <-r.Context().Done():
		g.BrokenOff <- post
	}
}

// Open lets all POSTs pass from now on.
func (g *Gate) Open() { g.openOnce.Do(func() { close(g.open) }) }

// StartPeer accepts TCP connections on a free port of 127.0.0.1 and returns its address.
// A connection is closed when handle returns, or when the test ends.
func StartPeer(tb testing.TB, handle func(net.Conn)) string {
	tb.Helper()
	listener := Listen(tb, "tcp", "127.0.0.1:0")
	var wait sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	closed := false
	wait.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			if closed {
				_ = conn.Close()
			}
			mu.Unlock()
			wait.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	tb.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		closed = true
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	return listener.Addr().String()
}
