package grpcwire_test

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"golang.org/x/net/http2"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

// endless is a client that opens stream 1 and sends the same frames on it again
// and again.
type endless struct {
	script
	first  *bytes.Reader
	frames []byte
	at     int
	total  int // bytes sent of frames
}

func (e *endless) Read(p []byte) (int, error) {
	if e.first.Len() > 0 {
		return e.first.Read(p)
	}
	n := copy(p, e.frames[e.at:])
	e.at = (e.at + n) % len(e.frames)
	e.total += n
	return n, nil
}

// BenchmarkRead reads frames of data by 32 KiB, as gRPC does: from memory, and
// observed. What a frame costs is the difference.
func BenchmarkRead(b *testing.B) {
	const readBytes = 32 << 10
	limits := limits
	limits.SmallFrames = grpcwire.DefaultSmallFrames
	for _, of := range []struct{ message, frame int }{{16 << 10, 16 << 10}, {4 << 20, 16 << 10}, {600, 600}, {64 << 10, 600}, {1000, 1}} {
		var sends []byte
		frameCount := 0
		for rest := message(of.message - 5); len(rest) > 0; frameCount++ {
			n := min(of.frame, len(rest))
			sends = append(sends, data(b, 1, false, rest[:n])...)
			rest = rest[n:]
		}
		for len(sends) < 8*readBytes {
			sends = append(sends, sends...)
			frameCount *= 2
		}
		for _, way := range []string{"memory", "observed"} {
			b.Run("message="+strconv.Itoa(of.message)+"/frame="+strconv.Itoa(of.frame)+"/"+way, func(b *testing.B) {
				first := append([]byte(http2.ClientPreface), headers(b, 1, false)...)
				client := &endless{first: bytes.NewReader(first), frames: sends}
				var conn io.ReadWriter = client
				if way == "observed" {
					conn = grpcwire.Observe(client, limits, &purse{}, nil)
				}
				// The server reads all at once, and says so.
				update := widen(b, 1, readBytes-readBytes*frameCount*9/len(sends))
				buffer := make([]byte, readBytes)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := conn.Read(buffer); err != nil {
						b.Fatal(err)
					}
					client.sent.Reset()
					if _, err := conn.Write(update); err != nil {
						b.Fatal(err)
					}
				}
				read := float64(client.total) / float64(len(sends)) * float64(frameCount)
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/read, "ns/frame")
			})
		}
	}
}

// TestReadAllocatesNothing reads frames of every kind of a stream that is open.
//
//nolint:paralleltest // it counts allocations
func TestReadAllocatesNothing(t *testing.T) {
	whole := message(2000)
	client := &endless{
		first: bytes.NewReader(bytes.Join([][]byte{
			[]byte(http2.ClientPreface), headers(t, 1, false), headers(t, 3, true), reset(t, 3),
		}, nil)),
		frames: bytes.Join([][]byte{data(t, 1, false, whole[:700]), data(t, 1, false, whole[700:]), data(t, 1, false, message(0)), reset(t, 3)}, nil),
	}
	conn := grpcwire.Observe(client, limits, &purse{}, nil)
	buffer := make([]byte, 1000)
	if _, err := conn.Read(buffer); err != nil {
		t.Fatal(err)
	}
	if count := testing.AllocsPerRun(1000, func() {
		if _, err := conn.Read(buffer); err != nil {
			t.Error(err)
		}
	}); count != 0 {
		t.Errorf("%v allocations a read, want 0", count)
	}
}
