package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/memory"
)

// TestListener: as many connections are open as there may be, over all listeners,
// each drawn from the budget. Others are closed at once; one that is closed, however
// often, makes room for one.
func TestListener(t *testing.T) {
	t.Parallel()
	const limit = 2
	budget := memory.New(memory.Limits{Bytes: 1 << 30})
	open := &connections{limit: limit, budget: budget}
	accepted := make(chan net.Conn)
	var accepting sync.WaitGroup
	var addresses []string
	var stop []func() error
	for range 2 {
		from := listen(t)
		addresses, stop = append(addresses, from.Addr().String()), append(stop, from.Close)
		accepting.Go(func() {
			l := &listener{Listener: from, connections: open, bytes: connectionBytes}
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		})
	}
	defer accepting.Wait()
	for _, end := range stop {
		defer func() { _ = end() }()
	}
	dial := func(i int) net.Conn {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addresses[i%2])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	refused := func(i int) {
		t.Helper()
		if n, err := dial(i).Read(make([]byte, 1)); n > 0 || err == nil {
			t.Error("a connection more than there may be is open")
		}
		if open.open.Load() != limit || budget.DrawnBytes() != limit*connectionBytes {
			t.Errorf("%d open, %d drawn", open.open.Load(), budget.DrawnBytes())
		}
	}
	var conns []net.Conn
	for i := range limit {
		dial(i)
		conns = append(conns, <-accepted)
	}
	refused(0)
	refused(1)
	if err := conns[0].Close(); err != nil {
		t.Error(err)
	}
	if err := conns[0].Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if open.open.Load() != limit-1 || budget.DrawnBytes() != (limit-1)*connectionBytes {
		t.Errorf("%d open, %d drawn", open.open.Load(), budget.DrawnBytes())
	}
	peer := dial(1)
	conns[0] = <-accepted
	refused(1)
	if _, err := io.WriteString(conns[0], "x"); err != nil {
		t.Error(err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if open.open.Load() != 0 || budget.DrawnBytes() != 0 {
		t.Errorf("%d open, %d drawn", open.open.Load(), budget.DrawnBytes())
	}
}

// TestReadsPauseBeyondMemory: what a client has sent is left where it is while more
// is held than there is.
func TestReadsPauseBeyondMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := memory.New(memory.Limits{Bytes: 1 << 30})
		defer budget.Close()
		client, raw := net.Pipe()
		defer func() { _ = client.Close() }()
		conn := &connection{Conn: raw, of: &connections{budget: budget}}
		go func() { _, _ = client.Write(make([]byte, 100)) }()
		read := func(n int, soonest, latest time.Duration) {
			t.Helper()
			began := time.Now()
			if got, err := conn.Read(make([]byte, n)); got != n || err != nil {
				t.Errorf("read %d bytes: %v", got, err)
			}
			if took := time.Since(began); took < soonest || took > latest {
				t.Errorf("it took %v, want %v to %v", took, soonest, latest)
			}
		}
		read(10, 0, 0)
		excess := int(budget.LimitBytes()) + 1
		budget.Draw(excess)
		giveBack := time.AfterFunc(maxReadPause/2, func() { budget.Draw(-excess) })
		defer giveBack.Stop()
		read(10, maxReadPause/2, maxReadPause-1)
		budget.Draw(excess)
		read(10, maxReadPause, maxReadPause)
		budget.Draw(-excess)
		read(70, 0, 0)
	})
}
