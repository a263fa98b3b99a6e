package integration_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/compression"
	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// compressed returns the message's bytes as a client sends them that compresses.
func compressed(t *testing.T, name string, message []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := encoding.GetCompressor(name).Compress(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(message); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// flagged returns a message, framed as one that is compressed.
func flagged(message []byte) []byte {
	return append(rawh2.Prefix(uint32(len(message)), true), message...)
}

// compressedCall is the header of an upload whose messages are compressed so.
func compressedCall(name string) []hpack.HeaderField {
	if name == "" {
		return uploadCall
	}
	return append(slices.Clone(uploadCall), hpack.HeaderField{Name: "grpc-encoding", Value: name})
}

// TestCompressedMessages uploads with each compressor at once, in both forms that
// the client has.
func TestCompressedMessages(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: threshold(64 << 10)})
	for _, name := range []string{compression.Gzip, compression.Zstd} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var uploads sync.WaitGroup
			defer uploads.Wait()
			for i := range uint64(4) {
				uploads.Go(func() {
					metadata, scopes := testbed.NewMetadata(), append(noise(i, 3, 100<<10), testbed.NewSource(i).Functions(20)...)
					summary, err := testbed.Upload(testbed.Context(t), bed.Client, metadata, scopes, client.WithCompression(name))
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := bed.Intake.Verify(summary.GetUploadId(), metadata, scopes); err != nil {
						t.Error(err)
					}
				})
			}
			uploads.Go(func() {
				metadata, scopes := testbed.NewMetadata(), testbed.NewSource(20).Functions(20)
				uploader, err := bed.Client.NewUploader(testbed.Context(t), testbed.Metadata(metadata), client.WithCompression(name))
				if err != nil {
					t.Error(err)
					return
				}
				defer uploader.Abandon()
				for _, scope := range scopes {
					if err := uploader.Add(testbed.Context(t), scope); err != nil {
						t.Error(err)
					}
				}
				result, err := uploader.Close(testbed.Context(t))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := bed.Intake.Verify(result.UploadID, metadata, scopes); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCompressedOnTheWire has the client's option make messages smaller, and the
// answer come as it is.
func TestCompressedOnTheWire(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(3).Functions(1)
	conn := rawh2.Dial(t, bed.Server.Target())
	defer conn.Close()
	for _, name := range []string{compression.Gzip, compression.Zstd} {
		metadata.UploadId = ""
		stream := conn.Open(compressedCall(name))
		stream.Data(t, flagged(compressed(t, name, testbed.MetadataMessage(t, metadata))), frameBytes)
		stream.Data(t, rawh2.Message(testbed.ScopeMessage(t, scopes[0])), frameBytes) // each message has a flag of its own
		stream.End()
		conn.Flush()
		stream.AwaitEnd(t)
		if err := stream.Status(t); err != nil {
			t.Error(err)
		}
		if got := stream.Field("grpc-encoding"); got != encoding.Identity {
			t.Errorf("%s: the answer is %q, want it uncompressed", name, got)
		}
		if _, err := bed.Intake.Verify(stream.Field("scopegate-upload-id"), metadata, scopes); err != nil {
			t.Error(err)
		}
	}
}

// TestHostileCompression sends messages that are small and become large, and such
// as are not what they are said to be.
//
//nolint:paralleltest // it measures the heap
func TestHostileCompression(t *testing.T) {
	const bombBytes, streamCount = 16 << 20, 16 // four times the largest scope
	nothing := make([]byte, bombBytes)
	good := testbed.ScopeMessage(t, testbed.NewSource(4).Functions(1)[0])
	source := rand.NewChaCha8([32]byte{7})
	garbage := make([]byte, 10_000)
	_, _ = source.Read(garbage)
	gzipped, zstded := compressed(t, compression.Gzip, good), compressed(t, compression.Zstd, good)
	// A frame that asks for a window of 3.75 TB (RFC 8878, section 3.1.1.1.2), and one
	// that tells to become 4 GB (section 3.1.1.1.4).
	magic := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	hugeWindow := append(slices.Clone(magic), 0, 0xff, 1, 0, 0)
	hugeContent := append(slices.Clone(magic), 0b10_1_00000, 0xff, 0xff, 0xff, 0xff, 1, 0, 0)
	// The most that a block of four bytes becomes, again and again (section 3.1.1.2.2).
	runs := append(slices.Clone(magic), 0, 13<<3)
	for range bombBytes / (128 << 10) {
		runs = append(runs, 0b010, 0, 0b10000, 0)
	}
	tests := []struct {
		name, encoding string
		message        []byte
		code           codes.Code
	}{
		{"bomb", "gzip", compressed(t, compression.Gzip, nothing), codes.ResourceExhausted},
		{"bomb", "zstd", compressed(t, compression.Zstd, nothing), codes.ResourceExhausted},
		{"runs", "zstd", runs, codes.ResourceExhausted},
		{"huge window", "zstd", hugeWindow, codes.Internal},
		{"huge content", "zstd", hugeContent, codes.Internal},
		{"members", "gzip", bytes.Repeat(gzipped, 1000), codes.Internal},
		{"truncated", "gzip", gzipped[:len(gzipped)-10], codes.Internal},
		{"truncated", "zstd", zstded[:len(zstded)-10], codes.Internal},
		{"garbage", "gzip", garbage, codes.Internal},
		{"garbage", "zstd", garbage, codes.Internal},
		{"garbage behind", "gzip", append(slices.Clone(gzipped), garbage...), codes.Internal},
		{"garbage behind", "zstd", append(slices.Clone(zstded), garbage...), codes.Internal},
		{"another's", "gzip", zstded, codes.Internal},
		{"another's", "zstd", gzipped, codes.Internal},
		{"no bytes", "gzip", nil, codes.Internal},
		{"flag alone", "", gzipped, codes.Internal},
		{"flag alone", "identity", gzipped, codes.Internal},
		{"unknown", "deflate", gzipped, codes.Unimplemented},
	}
	siege := besiege(t, testbed.Options{})
	conn := siege.dial(t)
	siege.during(t, func() {
		for _, test := range tests {
			var streams []*rawh2.Stream
			for range streamCount {
				stream := conn.Open(compressedCall(test.encoding))
				stream.Data(t, rawh2.Message(testbed.MetadataMessage(t, testbed.NewMetadata())), frameBytes)
				stream.Data(t, flagged(test.message), frameBytes)
				streams = append(streams, stream)
			}
			conn.Flush()
			for _, stream := range streams {
				stream.AwaitEnd(t)
				err := stream.Status(t)
				if status.Code(err) != test.code {
					t.Errorf("%s, grpc-encoding %q: %v, want %v", test.name, test.encoding, err, test.code)
				}
			}
		}
		conn.Settle(t)
	})
	siege.requireWithin(t, connBytes+decodersBytes(), connGoroutines)
	siege.before.bytes += decodersBytes() // these stay
	siege.lift(t, conn)
}

func decodersBytes() int {
	sum := 0
	for _, name := range []string{compression.Gzip, compression.Zstd} {
		if c, tells := encoding.GetCompressor(name).(interface{ DecoderBytes() int }); tells {
			sum += c.DecoderBytes()
		}
	}
	return sum
}

// TestHostileBombsBeyondMemory sends scopes that are within the limit of one, but
// together a multiple of what the server may hold, in a few kilobytes.
//
//nolint:paralleltest // it measures the heap
func TestHostileBombsBeyondMemory(t *testing.T) {
	const scopesEach, scopeBytes, limitBytes = 3, 4<<20 - 64, 64 << 20
	streamCount := count(20, 64) // of which 6 would fill the memory
	scope := text(1, "a")
	for name := text(2, strings.Repeat("a", 1000)); len(scope)+len(name) < scopeBytes; {
		scope = append(scope, name...) // the last one counts
	}
	// What is being decompressed was begun when there was room: a message for each of
	// gzip's decoders, one for each core, and for zstd's one; in pieces, and then in one.
	allowed := limitBytes + (runtime.GOMAXPROCS(0)+1)*2*scopeBytes + restBytes
	siege := besiege(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Limits.MemoryBytes = limitBytes }})
	for _, name := range []string{compression.Gzip, compression.Zstd} {
		t.Run(name, func(t *testing.T) {
			conn := siege.dial(t)
			message := flagged(compressed(t, name, payload(2, scope)))
			before := measure()
			peak := siege.peak(t, func() {
				var streams []*rawh2.Stream
				for range streamCount {
					stream := conn.Open(compressedCall(name))
					stream.Data(t, rawh2.Message(testbed.MetadataMessage(t, testbed.NewMetadata())), frameBytes)
					for range scopesEach {
						stream.Data(t, message, frameBytes)
					}
					stream.End()
					streams = append(streams, stream)
				}
				conn.Flush()
				ended := make(map[codes.Code]int)
				for _, stream := range streams {
					stream.AwaitEnd(t)
					ended[status.Code(stream.Status(t))]++
				}
				t.Log(ended)
				if ended[codes.OK]+ended[codes.ResourceExhausted] != streamCount {
					t.Errorf("streams ended with %v, want %v", ended, streamCount)
				}
			})
			if more := peak - before.bytes; more > allowed {
				t.Errorf("the server held %d bytes more than before, allowed is %d", more, allowed)
			}
			conn.Close()
		})
	}
	siege.before.bytes += decodersBytes()
	siege.lift(t)
}

// peak attacks, and returns the most bytes that were held.
func (s *siege) peak(t *testing.T, attack func()) int {
	t.Helper()
	most := 0
	over := make(chan struct{})
	var measuring sync.WaitGroup
	measuring.Go(func() {
		for {
			most = max(most, measure().bytes)
			select {
			case <-over:
				return
			default:
			}
		}
	})
	attack()
	close(over)
	measuring.Wait()
	t.Logf("at most %.1f MiB", float64(most)/(1<<20))
	return most
}
