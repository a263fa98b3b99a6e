package encode_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// FuzzMember compresses data, repeated up to some chunks, with any settings and
// in any pieces, and has others read it, with something around it too. Pools are
// used again, so what one input leaves in a compressor can harm the next.
func FuzzMember(f *testing.F) {
	f.Add([]byte("{}"), uint8(6), uint16(0), uint16(0), uint16(1), uint64(1))
	f.Add(scopes(1, 2000), uint8(1), uint16(1), uint16(32768), uint16(30), uint64(2))
	f.Add(scopes(1, 2000), uint8(encode.Scope), uint16(1), uint16(8192), uint16(30), uint64(2))
	f.Add(noise(1, 4096), uint8(9), uint16(999), uint16(4096), uint16(20), uint64(3))

	var lock sync.Mutex
	pools := map[encode.Settings]*encode.Pool{}
	poolOf := func(t *testing.T, s encode.Settings) *encode.Pool {
		t.Helper()
		lock.Lock()
		defer lock.Unlock()
		if len(pools) > 20 {
			clear(pools)
		}
		if pools[s] == nil {
			pools[s] = newPool(t, s)
		}
		return pools[s]
	}
	f.Fuzz(func(t *testing.T, piece []byte, level uint8, chunk, window, times uint16, seed uint64) {
		input := bytes.Repeat(piece, min(int(times), 180_000/max(len(piece), 1)))
		if len(input) == 0 {
			return
		}
		pool := poolOf(t, encode.Settings{
			Level:       int(level % 10),
			ChunkBytes:  16<<10 + int(chunk),
			WindowBytes: min(int(window), 32<<10),
			Compressors: 1,
		})
		whole := member(t, pool, input)
		wantMember(t, whole, input)

		rng := rand.New(rand.NewPCG(seed, 0))
		m := pool.NewMember(nil)
		defer m.Discard()
		writeSplit(t, m, rng, input)
		if got := bytesOf(t, m.Finish()); !bytes.Equal(got, whole) {
			t.Error("written in pieces: other bytes")
		}
		appendSplit(t, m, rng, input)
		head, tail := input[:rng.IntN(len(input)+1)], input[rng.IntN(len(input)+1):]
		wantFile(t, fileOf(t, m.Finish().File(head, tail)), head, input, tail)
	})
}
