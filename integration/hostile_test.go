package integration_test

import (
	"runtime"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

const frameBytes = 16 << 10 // the largest that a server has to take

// uploadCall is the header of an upload's stream.
var uploadCall = rawh2.Call(symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName)

// openUpload opens a hostile client's stream and sends its metadata.
func openUpload(t *testing.T, conn *rawh2.Conn, metadata *symdbv1.UploadMetadata) *rawh2.Stream {
	t.Helper()
	stream := conn.Open(uploadCall)
	stream.Data(t, rawh2.Message(testbed.MetadataMessage(t, metadata)), frameBytes)
	return stream
}

// openUploads opens that many, and returns when all have been accepted.
func openUploads(t *testing.T, conn *rawh2.Conn, count int) []*rawh2.Stream {
	t.Helper()
	streams := make([]*rawh2.Stream, count)
	for i := range streams {
		streams[i] = openUpload(t, conn, testbed.NewMetadata())
	}
	conn.Flush()
	for _, stream := range streams {
		stream.AwaitHeader(t, "scopegate-upload-id")
	}
	return streams
}

// TestHostileByteByByte uploads in frames of one byte each. That is lawful.
//
//nolint:paralleltest // it measures the heap
func TestHostileByteByByte(t *testing.T) {
	siege := besiege(t, testbed.Options{})
	conn := siege.dial(t)
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(70).Functions(10)
	siege.during(t, func() {
		stream := conn.Open(uploadCall)
		stream.Data(t, rawh2.Message(testbed.MetadataMessage(t, metadata)), 1)
		for _, scope := range scopes {
			stream.Data(t, rawh2.Message(testbed.ScopeMessage(t, scope)), 1)
		}
		stream.End()
		conn.Flush()
		stream.AwaitEnd(t)
		if err := stream.Status(t); err != nil {
			t.Error(err)
		}
	})
	if _, err := siege.Intake.Verify(metadata.GetUploadId(), metadata, scopes); err != nil {
		t.Error(err)
	}
	siege.lift(t, conn)
}

// TestHostileTinyFrames begins large messages in frames of one byte each, and
// ends none. Each frame of a message that is not complete is an object of its own
// in the server: either what they take stays in proportion to what was sent, or
// the server refuses the connection.
//
//nolint:paralleltest // it measures the heap
func TestHostileTinyFrames(t *testing.T) {
	const (
		streamCount = 32
		frameCount  = 1 << 17
		// factor is what a byte that was received may take: it is in a buffer of the
		// next size up, a fourth full or more.
		factor = 4
	)
	siege := besiege(t, testbed.Options{})
	conn := siege.dial(t)
	siege.during(t, func() {
		streams := openUploads(t, conn, streamCount)
		for _, stream := range streams {
			stream.Data(t, rawh2.Prefix(4<<20, false), frameBytes)
		}
		for range frameCount / streamCount {
			for _, stream := range streams {
				stream.Data(t, []byte{0}, 1)
			}
		}
		t.Logf("the server has borne it: %v", conn.Settles())
	})
	siege.requireWithin(t, connBytes+streamCount*streamBytes+factor*frameCount, connGoroutines+streamCount*streamGoroutines)
	siege.lift(t, conn)
}

// TestHostileSilence opens connections and says nothing, or nothing more than that
// it speaks HTTP/2.
//
//nolint:paralleltest // it measures the heap
func TestHostileSilence(t *testing.T) {
	const connCount = 64
	siege := besiege(t, testbed.Options{})
	var conns []*rawh2.Conn
	siege.during(t, func() {
		for i := range connCount {
			conn := rawh2.DialSilent(t, siege.Server.Target())
			if i%2 == 0 {
				conn.Begin()
			}
			conn.Listen()
			// The server has taken it when its SETTINGS are there.
			conn.Setting(t, http2.SettingMaxFrameSize)
			conns = append(conns, conn)
		}
	})
	siege.requireWithin(t, connCount*connBytes, connCount*connGoroutines)
	siege.lift(t, conns...)
}

// fewStreams lets a connection have few streams open: enough for a test, and so
// few that it can go beyond.
func fewStreams(cfg *server.Config) { cfg.Limits.StreamsPerConnection = maxStreams }

const maxStreams = 256

// TestHostileHeadersOnly opens streams and sends nothing on them, more than a
// connection may have.
//
//nolint:paralleltest // it measures the heap
func TestHostileHeadersOnly(t *testing.T) {
	const tooMany = 1000
	siege := besiege(t, testbed.Options{Configure: fewStreams})
	conn := siege.dial(t)
	if announced, _ := conn.Setting(t, http2.SettingMaxConcurrentStreams); announced != maxStreams {
		t.Errorf("the server announces a limit of %d streams, want %d", announced, maxStreams)
	}
	siege.during(t, func() {
		for range maxStreams + tooMany {
			conn.Open(uploadCall)
		}
		conn.Settle(t)
		if resets := conn.AwaitResets(t, tooMany); resets[http2.ErrCodeRefusedStream] != tooMany || len(resets) != 1 {
			t.Errorf("streams were reset with %v, want %d with %v", resets, tooMany, http2.ErrCodeRefusedStream)
		}
	})
	siege.requireWithin(t, connBytes+maxStreams*streamBytes, connGoroutines+maxStreams*streamGoroutines)
	siege.lift(t, conn)
}

// TestHostileRapidReset resets streams as fast as it opens them, as CVE-2023-44487
// has it: with a message that the server has begun to work on, and without.
//
//nolint:paralleltest // it measures the heap
func TestHostileRapidReset(t *testing.T) {
	resetCount := 20_000 / slowness
	siege := besiege(t, testbed.Options{Configure: fewStreams})
	conn := siege.dial(t)
	first := rawh2.Message(testbed.MetadataMessage(t, testbed.NewMetadata()))
	most := 0
	siege.during(t, func() {
		for i := range resetCount {
			stream := conn.Open(uploadCall)
			if i%2 == 0 {
				stream.Data(t, first, frameBytes)
			}
			stream.Cancel()
			conn.Forget(stream)
			most = max(most, runtime.NumGoroutine())
		}
		conn.Settle(t)
	})
	siege.ran = max(siege.ran, most)
	// No more handlers run than there may be streams, ended or not. What a handler
	// has started may end a little later than itself.
	const last = 1
	if allowed := siege.before.goroutines + connGoroutines + maxStreams*(streamGoroutines+last) + restGoroutines; most > allowed {
		t.Errorf("there were %d goroutines, want at most %d", most, allowed)
	}
	siege.requireWithin(t, connBytes+maxStreams*streamBytes, connGoroutines+maxStreams*streamGoroutines)
	siege.lift(t, conn)
}

// TestHostileAnnounced announces messages and does not send them.
//
//nolint:paralleltest // it measures the heap
func TestHostileAnnounced(t *testing.T) {
	const streamCount = 64
	siege := besiege(t, testbed.Options{})
	conn, greedy := siege.dial(t), siege.dial(t)
	var refused []*rawh2.Stream
	siege.during(t, func() {
		for _, stream := range openUploads(t, conn, streamCount) {
			stream.Data(t, rawh2.Prefix(4<<20, false), frameBytes)
		}
		conn.Settle(t)
		refused = openUploads(t, greedy, streamCount)
		for _, stream := range refused {
			stream.Data(t, rawh2.Prefix(1<<32-1, false), frameBytes)
		}
		greedy.Settle(t)
		for _, stream := range refused {
			stream.AwaitEnd(t)
		}
	})
	for _, stream := range refused {
		if err := stream.Status(t); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("4 GiB were announced: %v, want RESOURCE_EXHAUSTED", err)
		}
	}
	siege.requireWithin(t, 2*connBytes+streamCount*streamBytes, 2*connGoroutines+streamCount*streamGoroutines)
	siege.lift(t, conn, greedy)
}

// TestHostileAllButTheLastByte sends messages of the largest size but for their
// last byte.
//
//nolint:paralleltest // it measures the heap
func TestHostileAllButTheLastByte(t *testing.T) {
	const streamCount, messageBytes = 64, 256 << 10
	siege := besiege(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.MaxScopeBytes = messageBytes }})
	conn := siege.dial(t)
	cut := make([]byte, messageBytes-1)
	siege.during(t, func() {
		streams := openUploads(t, conn, streamCount)
		for _, stream := range streams {
			stream.Data(t, rawh2.Prefix(messageBytes, false), frameBytes)
			stream.Data(t, cut, frameBytes)
		}
		// A message that is too large is refused before it is there.
		large := openUploads(t, conn, 1)[0]
		large.Data(t, rawh2.Prefix(2*messageBytes+1, false), frameBytes)
		conn.Settle(t)
		large.AwaitEnd(t)
		if err := large.Status(t); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%v, want RESOURCE_EXHAUSTED", err)
		}
	})
	siege.requireWithin(t, connBytes+streamCount*(streamBytes+messageBytes), connGoroutines+streamCount*streamGoroutines)
	siege.lift(t, conn)
}

// TestHostileBeyondMemory has so many streams begin a message, of just what a
// window takes, that the server would have to hold more than it may. Good uploads
// are refused as well, and come back, until the server has lost patience with the
// streams that send nothing more; the long form waits for that.
//
//nolint:paralleltest // it measures the heap
func TestHostileBeyondMemory(t *testing.T) {
	const streamCount, messageBytes, limitBytes = 1000, 60 << 10, 32 << 20
	siege := besiege(t, testbed.Options{Configure: func(cfg *server.Config) {
		cfg.Limits.StreamsPerConnection = streamCount
		cfg.Limits.MemoryBytes = limitBytes
	}})
	conn := siege.dial(t)
	begun := append(rawh2.Prefix(messageBytes, false), make([]byte, messageBytes-1)...)
	var streams []*rawh2.Stream
	for range streamCount {
		stream := openUpload(t, conn, testbed.NewMetadata())
		stream.Data(t, begun, frameBytes)
		streams = append(streams, stream)
	}
	conn.Settle(t)
	siege.requireWithin(t, limitBytes, connGoroutines+streamCount*streamGoroutines)
	refused := 0
	for _, stream := range streams {
		if stream.Field("grpc-status") != "" {
			siege.RequireStatus(t, stream.Status(t), codes.ResourceExhausted, "OVERLOADED")
			refused++
		}
	}
	if refused == 0 {
		t.Error("no stream was refused")
	}
	if long() {
		if err := siege.uploadGood(t); err != nil {
			t.Errorf("a good client, meanwhile: %v", err)
		}
	}
	siege.lift(t, conn)
}

// TestHostileNeverEnds sends good scopes and then neither more nor an end, until
// it goes away.
//
//nolint:paralleltest // it measures the heap
func TestHostileNeverEnds(t *testing.T) {
	const streamCount = 64
	siege := besiege(t, testbed.Options{})
	conn := siege.dial(t)
	scopes := testbed.NewSource(71).Functions(3)
	var ids []string
	siege.during(t, func() {
		for _, stream := range openUploads(t, conn, streamCount) {
			for _, scope := range scopes {
				stream.Data(t, rawh2.Message(testbed.ScopeMessage(t, scope)), frameBytes)
			}
			ids = append(ids, stream.Field("scopegate-upload-id"))
		}
		conn.Settle(t)
	})
	siege.requireWithin(t, connBytes+streamCount*(streamBytes+openBatchBytes), connGoroutines+streamCount*streamGoroutines)
	siege.lift(t, conn)
	siege.Stop(t)
	for _, id := range ids {
		siege.Intake.RequireNoFinal(t, id)
	}
}

// TestHostileNeverReads ends its streams, and never reads what became of them.
//
//nolint:paralleltest // it measures the heap
func TestHostileNeverReads(t *testing.T) {
	const streamCount = queuedFrames / 2 // so that the server does not stop reading
	siege := besiege(t, testbed.Options{Configure: fewStreams, Listener: narrow{testbed.Listen(t, "tcp", "127.0.0.1:0")}})
	deaf := rawh2.DialDeaf(t, siege.Server.Target())
	first := deaf.OpenAndEnd(uploadCall)
	siege.during(t, func() {
		for range streamCount {
			deaf.Forget(deaf.OpenAndEnd(uploadCall))
		}
		deaf.Flush()
	})
	siege.requireWithin(t, connBytes+maxStreams*streamBytes+streamCount*queuedBytes, connGoroutines+maxStreams*streamGoroutines)
	deaf.Listen()
	first.AwaitEnd(t)
	siege.RequireInvalid(t, first.Status(t), "STREAM_INVALID", "metadata")
	siege.lift(t, deaf)
}
