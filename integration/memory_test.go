package integration_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// smallMemory is the least memory limit there can be.
func smallMemory(cfg *server.Config) { cfg.Limits.MemoryBytes = 32 << 20 }

// manyUploads has that many uploads at once, of a few large scopes each, go through
// a server with little memory to an intake that is slow, and requires that all
// arrive whole.
func manyUploads(t *testing.T, count int, configure func(*server.Config)) {
	t.Helper()
	const (
		scopeBytes = 64 << 10
		scopesEach = 6
		delay      = 2 * time.Millisecond
	)
	bed := testbed.New(t, testbed.Options{
		Configure: func(cfg *server.Config) {
			smallMemory(cfg)
			cfg.CompressionLevel = 1
			cfg.Intake.MaxConnections = 4
			configure(cfg)
		},
		Fault: func(w http.ResponseWriter, r *http.Request, _ testbed.Post, accept http.HandlerFunc) {
			<-time.After(delay)
			accept(w, r)
		},
	})
	ctx := testbed.Context(t)
	var counts tally
	var running sync.WaitGroup
	for i := range count {
		running.Go(func() {
			deliver := testbed.Resuming{Conn: bed.Conn}.Pull
			journey, err := testbed.Deliver(ctx, bed.Intake, deliver, noise(uint64(i), scopesEach, scopeBytes))
			if err != nil {
				t.Errorf("upload %d: %v", i, err)
				return
			}
			counts.add(journey, bed.Intake, 0)
		})
	}
	running.Wait()
	t.Logf("%v; %d batches", &counts, len(bed.Intake.Posts()))
}

// noise returns that many scopes of so many bytes.
func noise(seed uint64, count, bytes int) []*symdbv1.Scope {
	source := testbed.NewSource(seed)
	scopes := make([]*symdbv1.Scope, count)
	for i := range scopes {
		scopes[i] = source.Noise(bytes)
	}
	return scopes
}

// TestLittleMemory: with less memory than all uploads would like to have, all
// complete, whether batches find room on disk or not.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	for name, configure := range map[string]func(*testing.T, *server.Config){
		"no spool": func(*testing.T, *server.Config) {},
		"spool": func(t *testing.T, cfg *server.Config) {
			t.Helper()
			cfg.Limits.SpoolDir = t.TempDir()
		},
		"spool with room for two blocks": func(t *testing.T, cfg *server.Config) {
			t.Helper()
			cfg.Limits.SpoolDir, cfg.Limits.SpoolBytes = t.TempDir(), 32<<10
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			manyUploads(t, count(60, 200), func(cfg *server.Config) { configure(t, cfg) })
		})
	}
}

// TestPausedClients: clients that all pause in the middle of their uploads, of
// which more was sent than there is memory, keep nobody else from completing, and
// complete themselves when they go on.
func TestPausedClients(t *testing.T) {
	t.Parallel()
	const (
		scopeBytes = 64 << 10
		scopesEach = 5
	)
	uploads := count(60, 100)
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		smallMemory(cfg)
		cfg.CompressionLevel = 1
		cfg.MaxBatchAge = 0 // nothing but the want of memory forwards a batch
	}})
	ctx := testbed.Context(t)
	goOn := make(chan struct{})
	var paused, running sync.WaitGroup
	paused.Add(uploads)
	for i := range uploads {
		running.Go(func() {
			pause := sync.OnceFunc(func() {
				paused.Done()
				select {
				case <-goOn:
				case <-ctx.Done():
				}
			})
			defer pause()
			resuming := testbed.Resuming{Conn: bed.Conn, Sent: func(count int) {
				if count == scopesEach-1 {
					pause()
				}
			}}
			scopes := noise(uint64(i), scopesEach, scopeBytes)
			if _, err := testbed.Deliver(ctx, bed.Intake, resuming.Pull, scopes); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	all := make(chan struct{})
	go func() {
		defer close(all)
		paused.Wait()
	}()
	wait.Receive(t, all, "all clients to pause")
	deliver := testbed.Resuming{Conn: bed.Conn}.Pull
	_, err := testbed.Deliver(ctx, bed.Intake, deliver, noise(1000, scopesEach, scopeBytes))
	if err != nil {
		t.Errorf("an upload beside those that pause: %v", err)
	}
	close(goOn)
	running.Wait()
}

// TestSingleBatchesInLittleMemory: uploads of one batch each, which can't be
// forwarded before they end, complete although they want more than there is.
func TestSingleBatchesInLittleMemory(t *testing.T) {
	t.Parallel()
	const uploads, scopesEach, scopeBytes = 16, 6, 256 << 10
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		smallMemory(cfg)
		cfg.CompressionLevel = 1
	}})
	ctx := testbed.Context(t)
	var running sync.WaitGroup
	for i := range uploads {
		running.Go(func() {
			deliver, scopes := testbed.Resuming{Conn: bed.Conn}.Push(scopesEach), noise(uint64(i), scopesEach, scopeBytes)
			if _, err := testbed.Deliver(ctx, bed.Intake, deliver, scopes); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	running.Wait()
}
