package intake_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// narrow is an intake that counts its connections and the requests it has at once.
// It answers them only when there are as many as ever may be; and cuts some off.
type narrow struct {
	net.Listener
	limit int
	// cutEvery: this request and its multiples are cut off. 0: none.
	cutEvery int

	mu                         sync.Mutex
	open, most, accepted       int // connections
	here, crowd, waiting, seen int // requests
	full                       chan struct{}
}

// Accept counts a connection, until the server closes it.
func (n *narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accepted++
	n.open++
	n.most = max(n.most, n.open)
	return &narrowConn{Conn: conn, closed: sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.open--
	})}, nil
}

type narrowConn struct {
	net.Conn
	closed func()
}

func (c *narrowConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

func (n *narrow) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.seen++
	n.here++
	n.crowd = max(n.crowd, n.here)
	cut := n.cutEvery > 0 && n.seen%n.cutEvery == 0
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.here--
	}()
	_, _ = io.Copy(io.Discard, r.Body)
	if cut {
		panic(http.ErrAbortHandler) // closes the connection
	}
	n.mu.Lock()
	n.waiting++
	full := n.full
	if n.waiting == n.limit {
		n.waiting, n.full = 0, make(chan struct{})
		close(full)
	}
	n.mu.Unlock()
	select {
	case <-full:
	case <-r.Context().Done():
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const uploads = 200 // a multiple of the limits
	for name, cutEvery := range map[string]int{"kept": 0, "cut": 3, "kept, without turns": 0} {
		for network, limit := range map[string]int{"tcp": 8, "unix": 5} {
			t.Run(name+" "+network, func(t *testing.T) {
				t.Parallel()
				in, url := newNarrow(t, network, limit, cutEvery)
				client := newClient(t, intake.Config{
					URL: url, PostTimeout: 30 * time.Second, MaxConnections: limit, Retry: quick(),
				})
				if name == "kept, without turns" { // the transport's own bound holds
					client.SetTurns(uploads)
				}
				forwardMany(t, client, uploads, smallBatch()).Wait()
				in.mu.Lock()
				defer in.mu.Unlock()
				t.Logf("%d requests through %d connections, at most %d at once", in.seen, in.accepted, in.most)
				if in.crowd != limit {
					t.Errorf("%d requests at once, want %d", in.crowd, limit)
				}
				// The intake may learn late that a connection was closed, and net/http does
				// not keep one whose request it finds sent more than 50 ms after the answer.
				if in.most < limit || in.most >= 2*limit {
					t.Errorf("%d connections at once, want some %d", in.most, limit)
				}
				if cutEvery == 0 && in.accepted >= 2*limit {
					t.Errorf("%d connections were made, want some %d that are kept", in.accepted, limit)
				}
				if cutEvery > 0 && in.accepted <= limit {
					t.Errorf("%d connections were made: none was cut", in.accepted)
				}
			})
		}
	}
}

func newNarrow(t *testing.T, network string, limit, cutEvery int) (n *narrow, url string) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	n = &narrow{Listener: listener, limit: limit, cutEvery: cutEvery, full: make(chan struct{})}
	server := &http.Server{Handler: n, ErrorLog: discardLog()}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(n) })
	t.Cleanup(func() {
		_ = server.Close()
		served.Wait()
	})
	if network == "unix" {
		return n, "unix://" + address + ":/in"
	}
	return n, "http://" + listener.Addr().String() + "/in"
}
