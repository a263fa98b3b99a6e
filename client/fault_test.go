package client_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the first random sequence of faults; 0: a new one")
	seedsFlag = flag.Int("seeds", 25, "how many random sequences of faults are tried of each form")
)

// seeds yields a subtest's name with each seed.
func seeds(t *testing.T) iter.Seq2[string, uint64] {
	t.Helper()
	first := *seedFlag
	if first == 0 {
		first = rand.Uint64N(1_000_000) + 1
	}
	t.Logf("first -seed=%d", first)
	return func(yield func(string, uint64) bool) {
		for i := range *seedsFlag {
			if seed := first + uint64(i); !yield(fmt.Sprintf("seed=%d", seed), seed) {
				return
			}
		}
	}
}

var quick = []client.Option{
	client.WithBackoff(time.Millisecond, 3*time.Millisecond),
	client.WithMaxAttempts(1000),
	client.WithMaxMessageBytes(300),
}

// uploadIn gives each faulty upload a time limit.
func uploadIn(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// drawScopes returns scopes, some of them large enough to be split, and their leaves.
func drawScopes(rng *rand.Rand) (scopes []*symdbv1.Scope, names []string) {
	for i := range 1 + rng.IntN(40) {
		s := scope(fmt.Sprintf("s%d", i))
		if rng.IntN(6) == 0 {
			for j := range 1 + rng.IntN(60) {
				s.Scopes = append(s.Scopes, scope(fmt.Sprintf("c%d", j)))
			}
		}
		scopes = append(scopes, s)
		names = append(names, leaves(s)...)
	}
	return scopes, names
}

func TestPullUnderFaults(t *testing.T) {
	t.Parallel()
	for name, seed := range seeds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, seed)
			rng := rand.New(rand.NewPCG(seed, 2))
			b.faultCount = rng.IntN(12)
			scopes, names := drawScopes(rng)
			c := dialAny(t, []string{b.serve(), b.serve()}, quick...)

			result, err := c.Upload(uploadIn(t), metadata(), sequence(scopes...))
			if err != nil {
				t.Fatalf("%v; faults %v", err, b.faults)
			}
			b.checkWhole(result.UploadID, names)
			if batches := b.count(result.UploadID); int(result.BatchCount) != batches {
				t.Errorf("result counts %d batches, want %d", result.BatchCount, batches)
			}
		})
	}
}

func (b *backend) count(id string) (batchCount int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.batches {
		if key.id == id {
			batchCount++
		}
	}
	return batchCount
}

func TestPushUnderFaults(t *testing.T) {
	t.Parallel()
	for name, seed := range seeds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBackend(t, seed)
			rng := rand.New(rand.NewPCG(seed, 3))
			b.faultCount = rng.IntN(20)
			b.maxBatchScopes = 1 + rng.IntN(10)
			scopes, names := drawScopes(rng)
			badCount := rng.IntN(4)
			for i := range badCount {
				scopes = slices.Insert(scopes, rng.IntN(len(scopes)+1), scope(fmt.Sprintf("bad%d", i)))
			}
			var refusedCount atomic.Int64
			thresholdBytes, thresholdAge := 1+rng.IntN(1000), time.Duration(1+rng.IntN(int(3*time.Millisecond)))
			maxHeldBytes := 2*(300+64) + rng.IntN(2000)
			u, err := dialAny(t, []string{b.serve(), b.serve()}, quick...).NewUploader(t.Context(), metadata(),
				client.WithThresholdBytes(thresholdBytes), client.WithThresholdAge(thresholdAge), client.WithMaxHeldBytes(maxHeldBytes),
				client.WithOnRefused(func(client.RefusedScope) { refusedCount.Add(1) }))
			if err != nil {
				t.Fatal(err)
			}
			defer u.Abandon()
			ctx := uploadIn(t)
			addAll(ctx, t, u, scopes, maxHeldBytes)
			result, err := u.Close(ctx)
			stats := balanced(t, u)
			if err != nil {
				t.Fatalf("Close: %v; faults %v, %+v", err, b.faults, stats)
			}
			if stats.Held+stats.Dropped != 0 || stats.Refused != int64(badCount) || refusedCount.Load() != int64(badCount) ||
				result.ScopeCount != stats.Accepted || int(result.BatchCount) != b.count(u.ID()) {
				t.Errorf("%+v, result %+v, %d told to be refused; want all accepted but %d, in %d batches",
					stats, result, refusedCount.Load(), badCount, b.count(u.ID()))
			}
			b.checkWholeButCarrier(u.ID(), names)
		})
	}
}

// addAll adds scopes from three goroutines.
func addAll(ctx context.Context, t *testing.T, u *client.Uploader, scopes []*symdbv1.Scope, maxHeldBytes int) {
	t.Helper()
	var adding sync.WaitGroup
	const adders = 3
	for i := range adders {
		adding.Go(func() {
			for j := i; j < len(scopes); j += adders {
				if err := u.Add(ctx, scopes[j]); err != nil {
					t.Errorf("Add: %v", err)
				}
				if stats := balanced(t, u); stats.HeldBytes > maxHeldBytes {
					t.Errorf("%d bytes held, want at most %v", stats.HeldBytes, maxHeldBytes)
				}
				if j%7 == 0 {
					if err := u.Flush(ctx); err != nil {
						t.Errorf("Flush: %v", err)
					}
				}
			}
		})
	}
	adding.Wait()
}

// checkWholeButCarrier is like checkWhole, but the final batch may have only the root of an
// accepted scope.
func (b *backend) checkWholeButCarrier(id string, want []string) {
	b.t.Helper()
	b.mu.Lock()
	for key, content := range b.batches {
		if len(content.scopes) != 1 || !content.final {
			continue
		}
		carrier := content.scopes[0]
		isCarrier := slices.ContainsFunc(want, func(name string) bool { return strings.HasPrefix(name, carrier+"/") })
		for other, before := range b.batches {
			isCarrier = isCarrier || other != key && slices.Contains(before.scopes, carrier)
		}
		if isCarrier {
			content.scopes = nil
			b.batches[key] = content
		}
	}
	b.mu.Unlock()
	b.checkWhole(id, want)
}

// TestGoesOnAtSecondAddress: the first server stops in the middle of an upload, which
// resumes at the second.
func TestGoesOnAtSecondAddress(t *testing.T) {
	t.Parallel()
	b := newBackend(t, 1)
	addresses := []string{b.serve(), b.serve()}
	var events atomic.Int64
	options := append(slices.Clone(quick), client.WithOnRetry(func(client.RetryEvent) { events.Add(1) }))
	c := dialAny(t, append(addresses, "127.0.0.1:1"), options...)
	stopped := false
	scopes := func(yield func(*symdbv1.Scope, error) bool) {
		for i := range 20 {
			if i == 10 && !stopped {
				stopped = true
				b.mu.Lock()
				b.killAll()
				b.mu.Unlock()
			}
			if !yield(scope(fmt.Sprintf("s%d", i)), nil) {
				return
			}
		}
	}
	result, err := c.Upload(uploadIn(t), metadata(), scopes)
	if err != nil || result.ScopeCount != 20 {
		t.Fatalf("%+v, %v, want 20 scopes", result, err)
	}
	if events.Load() == 0 {
		t.Error("no retry")
	}
}

func TestDialAnyRefuses(t *testing.T) {
	t.Parallel()
	for _, targets := range [][]string{nil, {"a:1", ""}, {"a:1", "xds:///b"}} {
		if c, err := client.DialAny(targets); err == nil {
			_ = c.Close()
			t.Errorf("%q: no error", targets)
		}
	}
	for _, targets := range [][]string{{"dns:///a:1"}, {"dns:///a:1", "unix:///run/b"}, {"a:1", "passthrough:///b:2"}} {
		c, err := client.DialAny(targets)
		if err != nil {
			t.Errorf("%q: %v", targets, err)
			continue
		}
		_ = c.Close()
	}
}
