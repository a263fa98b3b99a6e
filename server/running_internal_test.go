package server

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// patience bounds what ends at once, unless the test fails.
const patience = time.Minute

// running is a server in front of an intake that takes everything.
type running struct {
	*Server
	address string
	log     logged.Text
	// postedBytes is what the intake has taken.
	mu          sync.Mutex
	postedBytes int64
}

// run starts a server. It is stopped when the test ends, and must then have given
// back what it has drawn since.
func run(t *testing.T, configure ...func(*Config)) *running {
	t.Helper()
	r := &running{}
	intake := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		n, _ := io.Copy(io.Discard, request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.postedBytes += n
	}))
	t.Cleanup(intake.Close)
	cfg := DefaultConfig()
	cfg.Intake.URL = intake.URL
	for _, configure := range configure {
		configure(&cfg)
	}
	var err error
	if r.Server, err = New(cfg, slog.New(slog.NewTextHandler(&r.log, nil))); err != nil {
		t.Fatal(err)
	}
	before := r.drawnBytes()
	t.Cleanup(func() { // after it is shut down
		requireDrawn(t, r.budget, before)
		if now := r.drawnBytes(); now < before {
			t.Errorf("%d bytes are drawn at the end, want %d", now, before)
		}
	})
	r.address, _ = serve(t, r.Server)
	return r
}

// await is wait.Until of what shows no more than whether it is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	wait.Equal(t, what, so, true)
}

// awaitDrawn waits until at least that is drawn.
func (r *running) awaitDrawn(t *testing.T, least int64) {
	t.Helper()
	wait.Until(t, fmt.Sprintf("at least %d drawn bytes", least), r.drawnBytes, func(drawn int64) bool { return drawn >= least })
}

// requireDrawn waits until no more than that is drawn: buffers that gRPC drops count
// until the garbage collector has found them.
func requireDrawn(t *testing.T, budget *memory.Budget, most int64) {
	t.Helper()
	wait.Until(t, fmt.Sprintf("at most %d drawn bytes", most), func() int64 { runtime.GC(); return budget.DrawnBytes() },
		func(drawn int64) bool { return drawn <= most })
}

// writeBytes is what is drawn for a connection while the server writes to it.
const writeBytes = 32 << 10

// drawnAtRest returns what is drawn beyond base once the server writes nothing: less
// than that.
func drawnAtRest(t *testing.T, budget *memory.Budget, base, less int64) int64 {
	t.Helper()
	return wait.Until(t, fmt.Sprintf("less than %d drawn bytes", less), func() int64 { return budget.DrawnBytes() - base },
		func(drawn int64) bool { return drawn < less })
}

func (r *running) drawnBytes() int64 { return r.budget.DrawnBytes() }
