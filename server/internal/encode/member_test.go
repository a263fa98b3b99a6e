package encode_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

func TestMain(m *testing.M) { leak.Verify(m) }

func newPool(tb testing.TB, s encode.Settings) *encode.Pool {
	tb.Helper()
	pool, err := encode.NewPool(s)
	if err != nil {
		tb.Fatal(err)
	}
	return pool
}

// bytesOf returns the gzip member with nothing around b, and releases b.
func bytesOf(tb testing.TB, b *encode.Body) []byte {
	tb.Helper()
	return fileOf(tb, b.File(nil, nil))
}

// fileOf returns the bytes of f and releases them.
func fileOf(tb testing.TB, f *encode.File) []byte {
	tb.Helper()
	all, err := io.ReadAll(f.NewReader())
	if err != nil || len(all) != f.Len() {
		tb.Fatalf("read %d bytes, want %d, error %v", len(all), f.Len(), err)
	}
	f.Release()
	return all
}

// member returns input as a member, written at one go.
func member(tb testing.TB, pool *encode.Pool, input []byte) []byte {
	tb.Helper()
	m := pool.NewMember(nil)
	write(tb, m, input)
	defer m.Discard()
	return bytesOf(tb, m.Finish())
}

func write(tb testing.TB, m *encode.Member, input []byte) {
	tb.Helper()
	if n, err := m.Write(input); n != len(input) || err != nil {
		tb.Fatalf("Write: %d, %v, want %v", n, err, len(input))
	}
}

// decoded reads exactly one gzip member with nothing behind it.
func decoded(tb testing.TB, compressed []byte) []byte {
	tb.Helper()
	source := bytes.NewReader(compressed)
	r, err := gzip.NewReader(source)
	if err != nil {
		tb.Fatal(err)
	}
	r.Multistream(false)
	out, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	if source.Len() != 0 {
		tb.Fatalf("%d bytes behind the member, want 0", source.Len())
	}
	return out
}

// wantMember checks all of a member: its header, what it decodes to, its sums.
func wantMember(tb testing.TB, compressed, input []byte) {
	tb.Helper()
	if header := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}; !bytes.HasPrefix(compressed, header) {
		tb.Errorf("header % x, want % x", compressed[:10], header)
	}
	if got := decoded(tb, compressed); !bytes.Equal(got, input) {
		tb.Fatalf("%d bytes are decoded to %d others", len(input), len(got))
	}
	trailer := compressed[len(compressed)-8:]
	if got, want := binary.LittleEndian.Uint32(trailer), crc32.ChecksumIEEE(input); got != want {
		tb.Errorf("CRC %08x, want %08x", got, want)
	}
	if got := binary.LittleEndian.Uint32(trailer[4:]); int(got) != len(input) {
		tb.Errorf("ISIZE %d, want %d", got, len(input))
	}
}

// shapes are settings with chunks smaller and larger than the window, odd ones,
// and those without a window.
func shapes(level int) []encode.Settings {
	return []encode.Settings{
		{Level: level, ChunkBytes: 2 * 65535, WindowBytes: 32 << 10, Compressors: 1},
		{Level: level, ChunkBytes: 16 << 10, WindowBytes: 32 << 10, Compressors: 1},
		{Level: level, ChunkBytes: 16<<10 + 1, WindowBytes: 1, Compressors: 1},
		{Level: level, ChunkBytes: 33_333, WindowBytes: 0, Compressors: 1},
		{Level: level, ChunkBytes: 64 << 10, WindowBytes: 9_999, Compressors: 1},
	}
}

func describe(s encode.Settings) string {
	return fmt.Sprintf("level %d, chunk %d, window %d", s.Level, s.ChunkBytes, s.WindowBytes)
}

// scopes returns n bytes as JSON of scopes looks, random as seed demands.
func scopes(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	words := strings.Fields("Read Write Close buffer count next session main.(*Server).Serve encoding/json error int string")
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"scope_type":"method","name":%q,"start_line":%d,"end_line":%d,"symbols":[{"name":%q,"type":%q,"symbol_type":"arg"}]},`,
			words[rng.IntN(len(words))], rng.IntN(3000), rng.IntN(3000), words[rng.IntN(len(words))], words[rng.IntN(len(words))])
	}
	return b.Bytes()[:n]
}

func noise(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// mixed has stretches of all kinds, n bytes in all.
func mixed(seed uint64, n int) []byte {
	b := bytes.Join([][]byte{
		scopes(seed, n/3), bytes.Repeat([]byte{'a'}, n/6), noise(seed, n/6), scopes(seed+1, n/4),
	}, nil)
	return append(b, bytes.Repeat([]byte("scope"), n)[:n-len(b)]...)
}

// writeSplit writes input in random pieces, many of them short, some empty.
func writeSplit(tb testing.TB, m *encode.Member, rng *rand.Rand, input []byte) {
	tb.Helper()
	for len(input) > 0 {
		n := rng.IntN(64)
		if rng.IntN(4) == 0 {
			n = rng.IntN(40 << 10)
		}
		n = min(n, len(input))
		write(tb, m, input[:n])
		input = input[n:]
	}
}

// appendSplit appends input in random pieces, as a transcoder does, with marks at random.
func appendSplit(tb testing.TB, m *encode.Member, rng *rand.Rand, input []byte) {
	tb.Helper()
	tail := m.Tail()
	for len(input) > 0 {
		if cap(tail)-len(tail) < transcode.Room {
			if tail = m.Drain(tail); cap(tail)-len(tail) < transcode.Room {
				tb.Fatalf("room for %d bytes behind Drain, want at least %v", cap(tail)-len(tail), transcode.Room)
			}
		}
		n := min(len(input), rng.IntN(transcode.Room))
		if marks, at := m.Marks(), len(tail)+rng.IntN(n+1); at/64 < len(marks) {
			marks[at/64] |= 1 << (at % 64)
		}
		tail = append(tail, input[:n]...)
		input = input[n:]
	}
	m.SetTail(tail)
}

func TestMember(t *testing.T) {
	t.Parallel()
	for level := range 10 {
		for i, settings := range shapes(level) {
			if i == 0 && level != 1 && level != 6 {
				continue // it is the longest one
			}
			t.Run(describe(settings), func(t *testing.T) {
				t.Parallel()
				input := mixed(1, settings.ChunkBytes*9/4)
				pool := newPool(t, settings)
				rng := rand.New(rand.NewPCG(uint64(level), uint64(i)))
				whole := member(t, pool, input)
				wantMember(t, whole, input)

				m := pool.NewMember(nil)
				writeSplit(t, m, rng, input)
				if got := bytesOf(t, m.Finish()); !bytes.Equal(got, whole) {
					t.Error("written in pieces: other bytes")
				}
				appendSplit(t, m, rng, input)
				wantMember(t, bytesOf(t, m.Finish()), input)
			})
		}
	}
}

func TestLengths(t *testing.T) {
	t.Parallel()
	settings := encode.Settings{Level: 6, ChunkBytes: 16 << 10, WindowBytes: 32 << 10, Compressors: 1}
	pool := newPool(t, settings)
	lengths := []int{
		1, 2, 3, 4095, 4096, 4097, 8193, 16383, 16384, 16385, 32767, 32768, 32769, 49153,
	}
	kinds := map[string]func(n int) []byte{
		"scopes": func(n int) []byte { return scopes(9, n) },
		"noise":  func(n int) []byte { return noise(9, n) },
	}
	for name, kind := range kinds {
		for _, n := range lengths {
			input := kind(n)
			wantMember(t, member(t, pool, input), input)
			m := pool.NewMember(nil)
			appendSplit(t, m, rand.New(rand.NewPCG(uint64(n), 0)), input)
			if got := m.RawBytes(); got != int64(n) {
				t.Errorf("%s, %d: RawBytes %d, want %v", name, n, got, int64(n))
			}
			wantMember(t, bytesOf(t, m.Finish()), input)
		}
	}
}

// What a drain, a compression or a write at an odd moment does to the rest.
func TestAnyOrderOfCalls(t *testing.T) {
	t.Parallel()
	for _, settings := range shapes(5) {
		t.Run(describe(settings), func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, settings)
			rng := rand.New(rand.NewPCG(7, uint64(settings.ChunkBytes)))
			for range 3 {
				m := pool.NewMember(nil)
				var input []byte
				for range 20 {
					piece := mixed(rng.Uint64(), rng.IntN(5000)+6)
					switch rng.IntN(5) {
					case 0:
						write(t, m, piece)
					case 1:
						appendSplit(t, m, rng, piece)
					case 2:
						m.Compress()
						appendSplit(t, m, rng, piece)
					case 3:
						m.SetTail(m.Drain(m.Drain(m.Tail())))
						appendSplit(t, m, rng, piece)
					case 4: // exactly up to the capacity
						tail := m.Tail()
						piece = noise(rng.Uint64(), cap(tail)-len(tail))
						m.SetTail(append(tail, piece...))
					}
					input = append(input, piece...)
					if got := m.RawBytes(); got != int64(len(input)) {
						t.Fatalf("RawBytes %d, want %d", got, len(input))
					}
				}
				wantMember(t, bytesOf(t, m.Finish()), input)
			}
		})
	}
}

// requireCounts fails the test unless the member has so many bytes in all, in its tail
// and compressed.
func requireCounts(t *testing.T, m *encode.Member, raw, tail, compressed int64) {
	t.Helper()
	got := [...]int64{m.RawBytes(), int64(m.TailBytes()), int64(m.CompressedBytes())}
	if want := [...]int64{raw, tail, compressed}; got != want {
		t.Errorf("raw, tail and compressed: %d, want %d", got, want)
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.DefaultSettings())
	m := pool.NewMember(nil)
	requireCounts(t, m, 0, 0, 0)
	m.Compress()
	if m.CompressedBytes() != 0 {
		t.Error("nothing was compressed to something")
	}
	write(t, m, scopes(1, 5000))
	requireCounts(t, m, 5000, 5000, 0)
	m.Compress()
	before := m.CompressedBytes()
	requireCounts(t, m, 5000, 0, int64(before))
	if before == 0 || before > 5000 {
		t.Errorf("5000 bytes are compressed to %d, want fewer, and some", before)
	}
	finished := m.Finish()
	if finished.Len() != before || finished.RawBytes() != 5000 {
		t.Errorf("finished: raw %d, compressed %d; want 5000, %d", finished.RawBytes(), finished.Len(), before)
	}
	requireCounts(t, m, 0, 0, 0)
	finished.Release()
	m.Discard()
}

// Deflate never makes noise longer than by its block headers.
func TestNoiseGrowsLittle(t *testing.T) {
	t.Parallel()
	input := noise(4, 70_000)
	for level := range 10 {
		for _, settings := range shapes(level)[1:3] {
			compressed := member(t, newPool(t, settings), input)
			if over := len(compressed) - len(input); over > 300 {
				t.Errorf("%s: %d bytes more, want at most 300", describe(settings), over)
			}
		}
	}
}

// Matches reach from a chunk into the window in front of it, and no further.
func TestWindowIsUsed(t *testing.T) {
	t.Parallel()
	const chunk = 16 << 10
	block := noise(5, chunk)
	input := bytes.Repeat(block, 6)
	for level := range 10 {
		with := member(t, newPool(t, encode.Settings{Level: level, ChunkBytes: chunk, WindowBytes: 32 << 10, Compressors: 1}), input)
		without := member(t, newPool(t, encode.Settings{Level: level, ChunkBytes: chunk, Compressors: 1}), input)
		wantMember(t, with, input)
		wantMember(t, without, input)
		if len(with) > 2*chunk || len(without) < 6*chunk {
			t.Errorf("level %d: %d bytes with a window, %d without", level, len(with), len(without))
		}
	}
}

// A member that was finished or discarded equals a new one.
func TestUsedAgain(t *testing.T) {
	t.Parallel()
	input, other := mixed(1, 50_000), mixed(2, 90_000)
	pool := newPool(t, encode.Settings{Level: 6, ChunkBytes: 20_000, WindowBytes: 32 << 10, Compressors: 2})
	want := member(t, pool, input)

	m := pool.NewMember(nil)
	use := map[string]func(){
		"finished":                func() { write(t, m, other); bytesOf(t, m.Finish()) },
		"finished short":          func() { write(t, m, other[:1]); bytesOf(t, m.Finish()) },
		"discarded":               func() { write(t, m, other); m.Discard() },
		"discarded short":         func() { write(t, m, other[:1]); m.Discard() },
		"discarded twice":         func() { write(t, m, other); m.Discard(); m.Discard() },
		"discarded unused":        func() { m.Discard() },
		"discarded after Finish":  func() { write(t, m, other); bytesOf(t, m.Finish()); m.Discard() },
		"discarded after Tail":    func() { m.Tail(); m.Discard() },
		"discarded compressed":    func() { write(t, m, other[:100]); m.Compress(); m.Discard() },
		"finished, tail was full": func() { tail := m.Tail(); m.SetTail(tail[:cap(tail)]); bytesOf(t, m.Finish()) },
	}
	for name, before := range use {
		before()
		if requireCounts(t, m, 0, 0, 0); len(m.Tail()) != 0 {
			t.Errorf("%s: a tail of %d bytes, want none", name, len(m.Tail()))
		}
		write(t, m, input)
		if got := bytesOf(t, m.Finish()); !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes differ from the first ones", name)
		}
	}
}

// What Finish returned is the caller's: the member and all others go on without
// touching it.
func TestFinishedIsLeftAlone(t *testing.T) {
	t.Parallel()
	pool := newPool(t, encode.Settings{Level: 1, ChunkBytes: 16 << 10, WindowBytes: 32 << 10, Compressors: 1})
	m := pool.NewMember(nil)
	var kept []*encode.Body
	for i := range uint64(10) {
		write(t, m, mixed(i, 60_000))
		kept = append(kept, m.Finish())
		released := member(t, pool, noise(i, 60_000))
		_ = released
	}
	for i, s := range kept {
		wantMember(t, bytesOf(t, s), mixed(uint64(i), 60_000))
	}
}
