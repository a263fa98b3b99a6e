package encode_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// A compressor keeps its tables from one member to the next. They must not show:
// whatever went through it before, the same JSON gives the same bytes.
func TestHistoryDoesNotMatter(t *testing.T) {
	t.Parallel()
	for level := range 10 {
		for _, settings := range shapes(level)[1:2] {
			t.Run(describe(settings), func(t *testing.T) {
				t.Parallel()
				input := mixed(1, 40_000)
				want := member(t, newPool(t, settings), input)
				pool := newPool(t, settings)
				rng := rand.New(rand.NewPCG(3, uint64(level)))
				for round := range uint64(4) {
					m, other := pool.NewMember(nil), pool.NewMember(nil)
					rest, foreign := input, disturbance(round, input)
					for len(rest) > 0 || len(foreign) > 0 {
						n := min(len(rest), rng.IntN(20_000))
						write(t, m, rest[:n])
						rest = rest[n:]
						n = min(len(foreign), rng.IntN(30_000))
						write(t, other, foreign[:n])
						if rng.IntN(3) == 0 {
							other.Compress()
						}
						foreign = foreign[n:]
					}
					if got := bytesOf(t, m.Finish()); !bytes.Equal(got, want) {
						t.Fatalf("round %d: other bytes", round)
					}
					wantMember(t, bytesOf(t, other.Finish()), disturbance(round, input))
				}
			})
		}
	}
}

// disturbance is what another member has while input is compressed: much like
// input, or its very bytes moved, or nothing like it.
func disturbance(round uint64, input []byte) []byte {
	switch round % 4 {
	case 0:
		return input
	case 1:
		return append([]byte("moved"), input...)
	case 2:
		return noise(round, 25_000)
	default:
		return mixed(round+1, 50_000)
	}
}

func TestConcurrentMembers(t *testing.T) {
	t.Parallel()
	settings := encode.Settings{Level: 6, ChunkBytes: 16 << 10, WindowBytes: 32 << 10, Compressors: 1}
	const inputs = 6
	var want [inputs][]byte
	baseline := newPool(t, settings)
	for i := range want {
		want[i] = member(t, baseline, mixed(uint64(i), 30_000))
	}
	for _, compressors := range []int{1, 3, 0} {
		settings.Compressors = compressors
		pool := newPool(t, settings)
		var all sync.WaitGroup
		for worker := range 8 {
			all.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(worker), 9))
				m := pool.NewMember(nil)
				defer m.Discard()
				for range 2 {
					i := rng.IntN(inputs)
					writeSplit(t, m, rng, mixed(uint64(i), 30_000))
					if rng.IntN(4) == 0 {
						m.Discard()
						continue
					}
					if got := bytesOf(t, m.Finish()); !bytes.Equal(got, want[i]) {
						t.Errorf("%d compressors: other bytes", compressors)
					}
				}
			})
		}
		all.Wait()
	}
}

// Appended in the same pieces, the same JSON gives the same bytes, whatever
// buffers and compressors there are.
func TestAppendedTheSameWayTwice(t *testing.T) {
	t.Parallel()
	input := mixed(8, 50_000)
	for _, settings := range shapes(4) {
		var want []byte
		for _, compressors := range []int{1, 3} {
			settings.Compressors = compressors
			pool := newPool(t, settings)
			for range 2 {
				m := pool.NewMember(nil)
				appendSplit(t, m, rand.New(rand.NewPCG(1, 1)), input)
				got := bytesOf(t, m.Finish())
				m.Discard()
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: other bytes", describe(settings))
				}
			}
		}
	}
}

// While a long scope is appended, others that wait for the compressor get their turn
// between two chunks, and none of them shows in the bytes.
func TestLongRuns(t *testing.T) {
	t.Parallel()
	for _, level := range []int{encode.Scope, 1, 6, 9} {
		settings := shapes(level)[1]
		input := mixed(uint64(level), 20*settings.ChunkBytes)
		appended := func(pool *encode.Pool) []byte {
			m := pool.NewMember(nil)
			defer m.Discard()
			appendSplit(t, m, rand.New(rand.NewPCG(1, 1)), input)
			return bytesOf(t, m.Finish())
		}
		want := appended(newPool(t, settings))
		wantMember(t, want, input)
		pool := newPool(t, settings)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if !bytes.Equal(appended(pool), want) {
					t.Errorf("level %d: other bytes", level)
				}
			})
		}
		all.Wait()
	}
}
