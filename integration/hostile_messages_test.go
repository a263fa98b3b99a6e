package integration_test

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// level is one of several messages around a message: what stands in front of it,
// and the field that it is.
type level struct {
	before []byte
	number protowire.Number
}

// nest returns depth messages, each inside the one before; the levels come again
// and again.
func nest(depth int, levels ...level) []byte {
	inside := make([]int, depth+1) // how long what is inside the message is, from the innermost out
	for i := range depth {
		at := levels[(depth-1-i)%len(levels)]
		inside[i+1] = len(at.before) + protowire.SizeTag(at.number) + protowire.SizeBytes(inside[i])
	}
	wire := make([]byte, 0, inside[depth])
	for i := range depth {
		at := levels[i%len(levels)]
		wire = append(wire, at.before...)
		wire = protowire.AppendTag(wire, at.number, protowire.BytesType)
		wire = protowire.AppendVarint(wire, uint64(inside[depth-1-i]))
	}
	return wire
}

// TestHostileDepth sends what is nested 10,000 deep and more, which an unwary
// reader follows by calling itself.
//
//nolint:paralleltest // it measures the heap
func TestHostileDepth(t *testing.T) {
	const depth, streamCount = 10_000, 8
	scopeType := text(1, "class")
	inMap := func(value []byte) []byte { // as the scope's own map entry
		return payload(2, append(scopeType, message(8, message(100, append(text(1, "k"), message(2, value)...)))...))
	}
	var manyKeys []byte
	for i := range depth {
		value := append(text(1, "k"+strconv.Itoa(i)), message(2, []byte{0x08, 0})...)
		manyKeys = append(manyKeys, message(100, value)...)
	}
	maxDepth := server.DefaultConfig().MaxDepth
	const additional = "scope[0].language_specifics.additional"
	tests := []struct {
		name          string
		message       []byte
		reason, field string
	}{
		{
			"scopes", payload(2, nest(depth, level{scopeType, 10})),
			"SCOPE_INVALID", "scope[0]" + strings.Repeat(".scopes[0]", maxDepth),
		},
		{
			"lists in the open map", inMap(nest(2*depth, level{nil, 6}, level{nil, 1})),
			"SCOPE_INVALID", additional + `["k"]` + strings.Repeat("[0]", maxDepth-3),
		},
		{
			"objects in the open map", inMap(nest(3*depth, level{nil, 5}, level{nil, 1}, level{text(1, "k"), 2})),
			"SCOPE_INVALID", additional + `["k"]` + strings.Repeat(`["k"]`, maxDepth-3),
		},
		{
			"groups in a scope", payload(2, append(scopeType, bytes.Repeat([]byte{0x7b}, 100*depth)...)),
			"SCOPE_INVALID", "scope[0]",
		},
		{"groups beside a scope", bytes.Repeat([]byte{0x7b}, 100*depth), "STREAM_INVALID", "scope[0]"},
		{"keys in the open map", payload(2, append(scopeType, message(8, manyKeys)...)), "SCOPE_INVALID", additional},
	}
	siege := besiege(t, testbed.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := siege.dial(t)
			siege.during(t, func() {
				streams := openUploads(t, conn, streamCount)
				for _, stream := range streams {
					stream.Data(t, rawh2.Message(test.message), frameBytes)
				}
				conn.Settle(t)
				for _, stream := range streams {
					stream.AwaitEnd(t)
					siege.RequireInvalid(t, stream.Status(t), test.reason, test.field)
				}
			})
			siege.lift(t, conn)
		})
	}
}

// TestHostileSmallOnTheWire uploads scopes that take up to ten times as much as
// JSON. None of that may ever stand in memory whole.
//
//nolint:paralleltest // it measures the heap
func TestHostileSmallOnTheWire(t *testing.T) {
	const (
		messageBytes = 512 << 10
		// uploadBytes is what the server may hold of an upload: the scope that is held
		// back and the next one, both as they came; another one in frames, and then in
		// one piece; a chunk of JSON and the window in front of it, and the same in a
		// buffer half as large, or twice. What is compressed is little of what repeats.
		uploadBytes = 4*messageBytes + 2*(144<<10)
		// compressorBytes are the compressors of this upload and of a good one.
		compressorBytes = 2 * (11 << 20 / 10)
		allowed         = uploadBytes + compressorBytes + connBytes + restBytes
	)
	scopeCount := max(1, 3/slowness)
	fill := func(one []byte) []byte { return bytes.Repeat(one, (messageBytes-64)/len(one)) }
	symbol := message(9, append(text(1, ""), text(3, "a")...))
	tests := []struct {
		name   string
		fields []byte
		factor int64
	}{
		{"line ranges", fill(message(7, nil)), 9},
		{"control characters", text(2, string(fill([]byte{1}))), 5},
		{"in disorder", fill(append(message(10, text(1, "a")), symbol...)), 6},
		{"empty strings", message(8, fill(text(4, ""))), 1},
		{"repeated names", fill(append(text(2, strings.Repeat("a", 100)), text(3, "b")...)), 0}, // the last one counts
	}
	messages := make([][]byte, len(tests))
	for i, test := range tests {
		messages[i] = payload(2, append(text(1, "a"), test.fields...))
	}
	siege := besiege(t, testbed.Options{
		Configure: func(cfg *server.Config) { cfg.MaxScopeBytes = messageBytes },
		// What the intake makes of it would take more memory than what the server does.
		Fault: only("blown up", testbed.Answer(http.StatusOK, "")),
	})
	conn := siege.Connect(t)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			metadata := testbed.NewMetadata()
			metadata.Service = "blown up"
			stream := [][]byte{testbed.MetadataMessage(t, metadata)}
			for range scopeCount {
				stream = append(stream, messages[i])
			}
			most := siege.mostDuring(t, func() {
				summary, err := testbed.UploadRaw(testbed.Context(t), conn, stream)
				if err != nil {
					t.Error(err)
				}
				if raw, wire := summary.GetRawBytes(), int64(scopeCount)*messageBytes; raw < test.factor*wire {
					t.Errorf("%d bytes of JSON of %d on the wire, want %d times as much", raw, wire, test.factor)
				}
			})
			if most.bytes > allowed {
				t.Errorf("the server held %v more than before, allowed is %d bytes", most, allowed)
			}
		})
	}
	siege.lift(t)
}

// mostDuring attacks while good uploads come, and returns the most that was held
// beside what was before.
func (s *siege) mostDuring(t *testing.T, attack func()) usage {
	t.Helper()
	var most usage
	over := make(chan struct{})
	var measuring sync.WaitGroup
	measuring.Go(func() {
		for {
			now := measure().minus(s.before)
			most = usage{max(most.bytes, now.bytes), max(most.goroutines, now.goroutines)}
			select {
			case <-over:
				return
			default:
			}
		}
	})
	s.during(t, attack)
	close(over)
	measuring.Wait()
	t.Logf("at most %v more than %v", most, s.before)
	return most
}

// TestHostileWatchers watches the health of services with long names, which the
// server keeps as long as it is asked to watch them: short ones it takes, others not.
//
//nolint:paralleltest // it measures the heap
func TestHostileWatchers(t *testing.T) {
	const longBytes, shortBytes, watchedBytes = 32 << 10, 4000, 24 << 10
	siege := besiege(t, testbed.Options{Configure: fewStreams})
	watch := rawh2.Call(healthv1.Health_Watch_FullMethodName)
	conn := siege.dial(t)
	siege.during(t, func() {
		for range count(maxStreams/10, maxStreams) {
			stream := conn.Open(watch)
			stream.Data(t, rawh2.Message(text(1, strings.Repeat("l", longBytes))), frameBytes)
			stream.End()
			conn.Flush()
			stream.AwaitEnd(t)
			if err := stream.Status(t); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("%v, want the message refused", err)
			}
		}
		for range maxStreams {
			stream := conn.Open(watch)
			stream.Data(t, rawh2.Message(text(1, strings.Repeat("s", shortBytes))), frameBytes)
			stream.End()
			conn.Flush()
			stream.AwaitHeader(t, "content-type")
		}
		conn.Settle(t)
	})
	siege.requireWithin(t, connBytes+maxStreams*watchedBytes, connGoroutines+maxStreams*streamGoroutines)
	siege.lift(t, conn)
}
