package deflate_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// randomText returns a text of about n bytes and some marks.
func randomText(rng *rand.Rand, n int) ([]byte, marks) {
	var text []byte
	var m marks
	switch rng.IntN(8) {
	case 0, 1, 2:
		text, m = scopes(rng, n)
	case 3:
		text = noise(rng, n)
	case 4: // few letters, some of them rare
		alphabet := "aaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbcccd\x00\"" + string(noise(rng, 1+rng.IntN(4)))
		text = from(rng, alphabet[rng.IntN(len(alphabet)):], n)
	case 5: // repeated, with errors
		text = bytes.Repeat(noise(rng, 1+rng.IntN(min(n, 2000))), n)[:n]
		for range rng.IntN(20) {
			text[rng.IntN(n)]++
		}
	case 6: // copies from anywhere before
		text = noise(rng, min(n, 64))
		for len(text) < n {
			start := rng.IntN(len(text))
			text = append(text, text[start:min(len(text), start+rng.IntN(600))]...)
			text = append(text, noise(rng, rng.IntN(4))...)
		}
		text = text[:n]
	default: // pieces of all
		for len(text) < n {
			piece, _ := randomText(rng, 1+rng.IntN(n-len(text)))
			text = append(text, piece...)
		}
	}
	switch rng.IntN(4) {
	case 0:
		m = everywhere(rng, n, rng.Float64())
	case 1:
		m = everywhere(rng, n, 0.06)
	}
	return text, m
}

// TestStreams compresses random texts, with compressors that are used again, and compares with new
// ones. SCOPEGATE_STREAMS says how many.
func TestStreams(t *testing.T) {
	t.Parallel()
	streams, err := strconv.Atoi(os.Getenv("SCOPEGATE_STREAMS"))
	if err != nil {
		streams = 500
	}
	const workers = 4
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			used := deflate.New()
			for i := worker; i < streams && !t.Failed(); i += workers {
				requireStream(t, used, uint64(i))
			}
		})
	}
	all.Wait()
}

// requireStream fails the test unless a random text is compressed as a new compressor does it.
func requireStream(t *testing.T, used *deflate.Compressor, seed uint64) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the seed was %d", seed)
		}
	}()
	rng := rand.New(rand.NewPCG(seed, 10))
	n := 1 + rng.IntN(3000)
	switch rng.IntN(12) {
	case 0:
		n = 1 + rng.IntN(140_000)
	case 1, 2:
		n = 1 + rng.IntN(20_000)
	}
	window := rng.IntN(32769)
	if rng.IntN(2) == 0 {
		window = rng.IntN(300)
	}
	text, m := randomText(rng, window+n)
	got := used.Append(nil, text, window, m)
	want := compressed(t, text, window, slices.Clone(m))
	if !bytes.Equal(got, want) {
		t.Errorf("seed %d: %d bytes, want the %d of a new compressor", seed, len(got), len(want))
	}
	if most := n + 5*((n+65534)/65535+1); len(got) > most {
		t.Errorf("seed %d: %d bytes become %d, want at most %d", seed, n, len(got), most)
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte(`{"name":"a","type":"b"},{"name":"a","type":"b"}`), []byte{0x10, 0x81}, uint16(4), uint8(1))
	f.Add([]byte("a"), []byte{}, uint16(0), uint8(0))
	f.Add(bytes.Repeat([]byte(`"start_line":12,`), 20), bytes.Repeat([]byte{0x40, 0x02}, 40), uint16(100), uint8(7))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{0xff}, uint16(8), uint8(255))
	used := sync.Pool{New: func() any { return deflate.New() }}
	f.Fuzz(func(t *testing.T, piece, bits []byte, window uint16, times uint8) {
		text := bytes.Repeat(piece, min(int(times)+1, 200_000/max(1, len(piece))))
		for i := range text { // so that repetitions end
			if i%97 == 96 {
				text[i] += byte(i / 97 % (int(times) + 1))
			}
		}
		start := min(int(window), 32768, len(text))
		m := newMarks(len(text))
		for i := range len(text) {
			if len(bits) > 0 && bits[i/8%len(bits)]>>(i%8)&1 == 1 {
				m.add(i)
			}
		}
		c, _ := used.Get().(*deflate.Compressor)
		defer used.Put(c)
		got := c.Append(nil, text, start, m)
		requireBlocks(t, got, text, start)
		if want := deflate.New().Append(nil, text, start, m); !bytes.Equal(got, want) {
			t.Errorf("%d bytes, want the %d of a new compressor", len(got), len(want))
		}
	})
}
