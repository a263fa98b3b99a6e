package compression_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/encoding"

	"github.com/scopegate/scopegate/client/compression"
)

var names = []string{compression.Gzip, compression.Zstd}

func compress(tb testing.TB, name string, plain []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := encoding.GetCompressor(name).Compress(&out)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// decompress reads as gRPC does: no more than limit bytes, then Close.
func decompress(name string, compressed []byte, limit int64) ([]byte, error) {
	r, err := encoding.GetCompressor(name).Decompress(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, limit))
	closer, ok := r.(io.Closer)
	if !ok {
		return nil, errors.New("the decoder is not given back")
	}
	return plain, errors.Join(err, closer.Close())
}

// samples are messages of several lengths: repetitive text, and noise.
func samples() [][]byte {
	source := rand.NewChaCha8([32]byte{1})
	all := [][]byte{{}, {0}, []byte(strings.Repeat("scope ", 100))}
	for _, length := range []int{1 << 10, 130 << 10, 3 << 20} {
		noise := make([]byte, length)
		_, _ = source.Read(noise)
		all = append(all, noise, bytes.Repeat(noise[:1000], length/1000))
	}
	return all
}

// TestRoundTrip also reads with independent decoders: the standard library's, and a zstd
// decoder with default options.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	independent := map[string]func([]byte) ([]byte, error){
		compression.Gzip: func(b []byte) ([]byte, error) {
			r, err := stdgzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
		compression.Zstd: func(b []byte) ([]byte, error) {
			r, err := zstd.NewReader(nil)
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return r.DecodeAll(b, nil)
		},
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var users sync.WaitGroup
			defer users.Wait()
			for range 4 { // more than there are decoders, on most machines
				users.Go(func() {
					for _, plain := range samples() {
						compressed := compress(t, name, plain)
						got, err := decompress(name, compressed, 8<<20)
						if err != nil || !bytes.Equal(got, plain) {
							t.Errorf("%d bytes became %d, %v", len(plain), len(got), err)
						}
						got, err = independent[name](compressed)
						if err != nil || !bytes.Equal(got, plain) {
							t.Errorf("to another reader %d bytes became %d, %v", len(plain), len(got), err)
						}
					}
				})
			}
		})
	}
}

// TestSpoiled reads damaged messages and then valid ones: a decoder that has failed works
// again.
func TestSpoiled(t *testing.T) {
	t.Parallel()
	plain := samples()[4]
	for _, name := range names {
		whole := compress(t, name, plain)
		flipped := bytes.Clone(whole)
		flipped[len(flipped)-6] ^= 1 // in gzip's CRC-32; in zstd's last block
		spoiled := map[string][]byte{
			"truncated":        whole[:len(whole)/2],
			"without its end":  whole[:len(whole)-1],
			"a header's start": whole[:3],
			"garbage":          []byte("scopes"),
			"garbage behind":   append(bytes.Clone(whole), "scopes"...),
			"a flipped bit":    flipped,
		}
		for what, compressed := range spoiled {
			t.Run(name+" "+what, func(t *testing.T) {
				t.Parallel()
				if got, err := decompress(name, compressed, 8<<20); err == nil {
					t.Errorf("%d bytes became %d without an error", len(compressed), len(got))
				}
				if got, err := decompress(name, whole, 8<<20); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("afterwards: %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// TestTwoMembers: a message of two gzip members is refused.
func TestTwoMembers(t *testing.T) {
	t.Parallel()
	member := compress(t, compression.Gzip, []byte("scope"))
	if _, err := decompress(compression.Gzip, append(member, member...), 1<<20); err == nil {
		t.Error("two members were taken for one message")
	}
}

// window returns an empty zstd frame that asks for a window of 2 to the power of log (RFC
// 8878, section 3.1.1).
func window(log byte) []byte {
	frame := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	return append(frame, 0, (log-10)<<3, 1, 0, 0) // no flags; the window; a last raw block of 0 bytes
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for log, want := range map[byte]bool{10: true, 21: true, 23: true, 24: false, 31: false, 41: false} {
		_, err := decompress(compression.Zstd, window(log), 1<<20)
		if taken := err == nil; taken != want {
			t.Errorf("window of 2^%d bytes: %v, want %v", log, err, want)
		}
	}
}

// TestDecoderBytes decompresses bombs, and lets the largest window be made, with
// all decoders at once, and then compares what is held with what is said.
//
//nolint:paralleltest // it measures the heap
func TestDecoderBytes(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			compressor := encoding.GetCompressor(name)
			tells, ok := compressor.(interface{ DecoderBytes() int })
			if !ok {
				t.Fatal("it does not tell what its decoders hold")
			}
			said := tells.DecoderBytes()
			bomb := compress(t, name, make([]byte, 64<<20))
			before := heap()
			var users sync.WaitGroup
			for range 2 * runtime.GOMAXPROCS(0) {
				users.Go(func() {
					if got, err := decompress(name, bomb, 1<<20); err != nil || len(got) != 1<<20 {
						t.Errorf("%d bytes, %v, want %v", len(got), err, 1<<20)
					}
					if name == compression.Zstd {
						if _, err := decompress(name, window(23), 1<<20); err != nil {
							t.Error(err)
						}
					}
				})
			}
			users.Wait()
			if held := heap() - before; held > said {
				t.Errorf("decoders hold %d bytes, said to be at most %d, want at most %v", held, said, said)
			}
			runtime.KeepAlive(bomb)
		})
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

func FuzzDecompress(f *testing.F) {
	for _, name := range names {
		f.Add(name == compression.Zstd, compress(f, name, []byte(strings.Repeat("scope ", 100))))
	}
	f.Add(true, window(23))
	f.Fuzz(func(t *testing.T, isZstd bool, compressed []byte) {
		name := compression.Gzip
		if isZstd {
			name = compression.Zstd
		}
		const limit = 1 << 20
		plain, err := decompress(name, compressed, limit)
		if len(plain) > limit {
			t.Errorf("%d bytes, more than the limit", len(plain))
		}
		if err != nil || len(plain) == limit {
			return
		}
		again, err := decompress(name, compress(t, name, plain), limit)
		if err != nil || !bytes.Equal(again, plain) {
			t.Errorf("%d bytes became %d, %v", len(plain), len(again), err)
		}
	})
}
