package integration_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// TestHostileGarbage sends bytes that are no HTTP/2, from ever later on.
//
//nolint:paralleltest // it measures the heap
func TestHostileGarbage(t *testing.T) {
	const connCount, garbageBytes = 16, 64 << 10
	random := rand.NewChaCha8([32]byte{}) // the same ones each time
	garbage := make([]byte, garbageBytes)
	frames := func(conn *rawh2.Conn) {
		const frameCount, maxPayload = 200, 64
		dice := rand.New(random)
		for range frameCount {
			payload := make([]byte, dice.IntN(maxPayload))
			_, _ = random.Read(payload)
			conn.Frames(func(f *http2.Framer) error {
				return f.WriteRawFrame(http2.FrameType(dice.IntN(11)), http2.Flags(dice.Uint32()), dice.Uint32N(8), payload)
			})
		}
		conn.Frames(func(f *http2.Framer) error { return f.WriteData(0, false, nil) }) // if it has borne all others
	}
	siege := besiege(t, testbed.Options{})
	for name, send := range map[string]func(*rawh2.Conn){
		"from the start":  func(conn *rawh2.Conn) { _, _ = conn.Write(garbage) },
		"for SETTINGS":    func(conn *rawh2.Conn) { _, _ = conn.Write(append([]byte(http2.ClientPreface), garbage...)) },
		"behind SETTINGS": func(conn *rawh2.Conn) { conn.Begin(); _, _ = conn.Write(garbage) },
		"in frames":       func(conn *rawh2.Conn) { conn.Begin(); frames(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			var conns []*rawh2.Conn
			siege.during(t, func() {
				for range connCount {
					_, _ = random.Read(garbage)
					conn := rawh2.DialSilent(t, siege.Server.Target())
					send(conn)
					conn.Flush()
					conn.Listen()
					conns = append(conns, conn)
				}
				for _, conn := range conns {
					conn.AwaitRefused()
				}
			})
			siege.lift(t, conns...)
		})
	}
}

// TestHostileFrames sends frames that are well-formed but unlawful, so that the
// connection is refused.
//
//nolint:paralleltest // it measures the heap
func TestHostileFrames(t *testing.T) {
	const closed = http2.ErrCodeNo // without GOAWAY, as gRPC does on most of these
	header := func(f *http2.Framer, conn *rawh2.Conn, id uint32, ends bool) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: conn.Block(uploadCall), EndHeaders: ends})
	}
	tests := []struct {
		name string
		send func(*http2.Framer, *rawh2.Conn) error
		want http2.ErrCode
	}{
		{"DATA on no stream", func(f *http2.Framer, _ *rawh2.Conn) error { return f.WriteData(0, false, []byte("x")) }, closed},
		{"a frame larger than allowed", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteData(1, false, make([]byte, frameBytes+1))
		}, closed},
		{"padding longer than its frame", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{200, 0})
		}, closed},
		{"SETTINGS of five bytes", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5))
		}, closed},
		{"SETTINGS on a stream", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteRawFrame(http2.FrameSettings, 0, 1, nil)
		}, closed},
		{"SETTINGS of a window that is too large", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, closed},
		{"PING of seven bytes", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7))
		}, closed},
		{"PINGs without end", func(f *http2.Framer, _ *rawh2.Conn) error {
			return repeat(10_000/slowness, func() error { return f.WritePing(false, [8]byte{}) })
		}, http2.ErrCodeEnhanceYourCalm},
		{"WINDOW_UPDATE by nothing", func(f *http2.Framer, _ *rawh2.Conn) error { return f.WriteWindowUpdate(0, 0) }, closed},
		{"CONTINUATION of nothing", func(f *http2.Framer, _ *rawh2.Conn) error { return f.WriteContinuation(1, true, nil) }, closed},
		{"HEADERS that are no HPACK", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff}, EndHeaders: true})
		}, closed},
		{"HEADERS with a field larger than all may be", func(f *http2.Framer, conn *rawh2.Conn) error {
			block := conn.Block([]hpack.HeaderField{{Name: "x-large", Value: strings.Repeat("~", 10<<10)}})
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
		}, closed},
		{"HEADERS on an even stream", func(f *http2.Framer, conn *rawh2.Conn) error {
			return header(f, conn, 2, true)
		}, http2.ErrCodeProtocol},
		{"HEADERS on an older stream", func(f *http2.Framer, conn *rawh2.Conn) error {
			return errors.Join(header(f, conn, 3, true), header(f, conn, 1, true))
		}, closed},
		{"WINDOW_UPDATE of a stream to come", func(f *http2.Framer, _ *rawh2.Conn) error { return f.WriteWindowUpdate(1, 1) }, closed},
		{"RST_STREAM of a stream to come", func(f *http2.Framer, _ *rawh2.Conn) error {
			return f.WriteRSTStream(1, http2.ErrCodeCancel)
		}, closed},
		{"DATA of a stream to come", func(f *http2.Framer, _ *rawh2.Conn) error { return f.WriteData(1, true, nil) }, closed},
		{"HEADERS broken off by others", func(f *http2.Framer, conn *rawh2.Conn) error {
			return errors.Join(header(f, conn, 1, false), header(f, conn, 3, true))
		}, closed},
		{"CONTINUATIONs without end", func(f *http2.Framer, conn *rawh2.Conn) error {
			return errors.Join(header(f, conn, 1, false), repeat(1000, func() error {
				return f.WriteContinuation(1, false, make([]byte, frameBytes))
			}))
		}, closed},
		{"empty CONTINUATIONs without end", func(f *http2.Framer, conn *rawh2.Conn) error {
			// They hold nothing, and count as nothing; what ends them is no CONTINUATION.
			return errors.Join(header(f, conn, 1, false), repeat(20_000/slowness, func() error {
				return f.WriteContinuation(1, false, nil)
			}), f.WriteData(1, false, nil))
		}, closed},
	}
	siege := besiege(t, testbed.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := siege.dial(t)
			siege.during(t, func() {
				conn.Frames(func(f *http2.Framer) error { return test.send(f, conn) })
				conn.Flush()
				if code := conn.AwaitRefused(); code != test.want {
					t.Errorf("GOAWAY is %v, want %v", code, test.want)
				}
			})
			siege.requireWithin(t, connBytes, connGoroutines)
			siege.lift(t, conn)
		})
	}
}

// TestHostileFloods sends many frames that cost the client little and ask for
// some work. A connection bears them, and holds little.
//
//nolint:paralleltest // it measures the heap
func TestHostileFloods(t *testing.T) {
	tests := []struct {
		name string
		send func(f *http2.Framer, i uint32) error
	}{
		{"SETTINGS", func(f *http2.Framer, i uint32) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: i << 16},
				http2.Setting{ID: http2.SettingInitialWindowSize, Val: i})
		}},
		{"PRIORITY", func(f *http2.Framer, i uint32) error {
			return f.WritePriority(2*i+1, http2.PriorityParam{StreamDep: 2*i + 3, Exclusive: true, Weight: 255})
		}},
		{"WINDOW_UPDATE beyond all bounds", func(f *http2.Framer, _ uint32) error { return f.WriteWindowUpdate(0, 1<<31-1) }},
		{"GOAWAY", func(f *http2.Framer, _ uint32) error { return f.WriteGoAway(0, http2.ErrCodeNo, make([]byte, 64)) }},
		{"frames of a kind unknown", func(f *http2.Framer, i uint32) error {
			return f.WriteRawFrame(http2.FrameType(200), http2.Flags(i), i, make([]byte, 64))
		}},
		{"PINGs that nobody asked to be answered", func(f *http2.Framer, _ uint32) error { return f.WritePing(true, [8]byte{}) }},
	}
	frameCount := uint32(20_000 / slowness)
	siege := besiege(t, testbed.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := siege.dial(t)
			siege.during(t, func() {
				for i := range frameCount {
					conn.Frames(func(f *http2.Framer) error { return test.send(f, i) })
				}
				conn.Settle(t)
			})
			siege.requireWithin(t, connBytes+int(frameCount)*queuedBytes/16, connGoroutines)
			siege.lift(t, conn)
		})
	}
}

// TestHostileUnreadAnswers has SETTINGS acknowledged and reads none of that, up
// to where the server would stop reading.
//
//nolint:paralleltest // it measures the heap
func TestHostileUnreadAnswers(t *testing.T) {
	siege := besiege(t, testbed.Options{Listener: narrow{testbed.Listen(t, "tcp", "127.0.0.1:0")}})
	conn := rawh2.DialDeaf(t, siege.Server.Target())
	siege.during(t, func() {
		for range queuedFrames - 1 {
			conn.Frames(func(f *http2.Framer) error { return f.WriteSettings() })
		}
		conn.Flush()
	})
	siege.requireWithin(t, connBytes+queuedFrames*queuedBytes, connGoroutines)
	siege.lift(t, conn)
}

// TestHostileHeaders opens streams with headers that are too large, on the wire
// or only when they are decoded, or that are not for this server.
//
//nolint:paralleltest // it measures the heap
func TestHostileHeaders(t *testing.T) {
	const streamCount = 16
	with := func(name, value string) []hpack.HeaderField {
		fields := slices.Clone(uploadCall)
		if i := slices.IndexFunc(fields, func(f hpack.HeaderField) bool { return f.Name == name }); i >= 0 {
			fields[i].Value = value
			return fields
		}
		return append(fields, hpack.HeaderField{Name: name, Value: value})
	}
	// The first one fills the table of HPACK, the others are a byte each.
	repeated := slices.Clone(uploadCall)
	for range 8000 {
		repeated = append(repeated, hpack.HeaderField{Name: "x-bomb", Value: strings.Repeat("~", 4000)})
	}
	tests := []struct {
		name   string
		fields []hpack.HeaderField
		// Either the stream is reset, or it has a status of HTTP and one of gRPC.
		reset      http2.ErrCode
		httpStatus string
		code       codes.Code
	}{
		{name: "a large field", fields: with("x-large", strings.Repeat("~", 8000)), reset: http2.ErrCodeFrameSize},
		{name: "many fields", fields: append(slices.Clone(uploadCall), many(1000)...), reset: http2.ErrCodeFrameSize},
		{name: "a bomb of HPACK", fields: repeated, reset: http2.ErrCodeFrameSize},
		{name: "a field of HTTP/1.1", fields: with("connection", "keep-alive"), reset: http2.ErrCodeProtocol},
		{name: "upper case", fields: with("X-Upper", ""), reset: http2.ErrCodeProtocol},
		{name: "another content-type", fields: with("content-type", "application/json"), httpStatus: "415", code: codes.InvalidArgument},
		{name: "another method of HTTP", fields: with(":method", "GET"), httpStatus: "405", code: codes.Internal},
		{name: "a timeout that is none", fields: with("grpc-timeout", "soon"), httpStatus: "400", code: codes.Internal},
		{name: "a timeout that has passed", fields: with("grpc-timeout", "0n"), httpStatus: "200", code: codes.DeadlineExceeded},
		{name: "a path that is none", fields: with(":path", "*"), httpStatus: "200", code: codes.Unimplemented},
		{name: "another service", fields: with(":path", "/symdb.v2.Nothing/UploadScopes"), httpStatus: "200", code: codes.Unimplemented},
		{name: "another method", fields: with(":path", "/symdb.v1.SymbolDatabaseService/Nothing"), httpStatus: "200", code: codes.Unimplemented},
	}
	siege := besiege(t, testbed.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := siege.dial(t)
			siege.during(t, func() {
				var streams []*rawh2.Stream
				for range streamCount {
					streams = append(streams, conn.Open(test.fields))
				}
				conn.Settle(t)
				for _, stream := range streams {
					stream.AwaitEnd(t)
					if test.httpStatus == "" {
						if code, ok := stream.Reset(); !ok || code != test.reset {
							t.Errorf("reset with %v (%v), want %v", code, ok, test.reset)
						}
						continue
					}
					if got, err := stream.Field(":status"), stream.Status(t); got != test.httpStatus || status.Code(err) != test.code {
						t.Errorf("HTTP status %s, %v, want %s and %v", got, err, test.httpStatus, test.code)
					}
				}
			})
			siege.requireWithin(t, connBytes, connGoroutines)
			siege.lift(t, conn)
		})
	}
}

// TestHostileOverflow sends more on a stream than its window allows, while the
// server waits for the intake and reads nothing.
//
//nolint:paralleltest // it measures the heap
func TestHostileOverflow(t *testing.T) {
	const scopeBytes, streamCount = 16 << 10, 16
	gate := testbed.NewGate()
	siege := besiege(t, testbed.Options{Configure: threshold(0), Fault: only("stuck", gate.Fault)})
	conn := siege.dial(t)
	source := testbed.NewSource(72)
	var sent []byte
	for len(sent) < 4*windowBytes { // three scopes are read before the server waits
		sent = append(sent, rawh2.Message(testbed.ScopeMessage(t, source.Noise(scopeBytes)))...)
	}
	siege.during(t, func() {
		var streams []*rawh2.Stream
		for range streamCount {
			metadata := testbed.NewMetadata()
			metadata.Service = "stuck"
			stream := openUpload(t, conn, metadata)
			stream.Data(t, sent[:3*(scopeBytes+1<<10)], frameBytes)
			conn.Flush()
			wait.Receive(t, gate.Entered, "the first batch")
			streams = append(streams, stream)
		}
		siege.requireWithin(t, connBytes+streamCount*(streamBytes+openBatchBytes+windowBytes+4*scopeBytes), connGoroutines+streamCount*8)
		for _, stream := range streams {
			for at := 0; at < len(sent); at += frameBytes {
				conn.Frames(func(f *http2.Framer) error {
					return f.WriteData(stream.ID, false, sent[at:min(at+frameBytes, len(sent))])
				})
			}
		}
		conn.Settle(t)
		for _, stream := range streams {
			stream.AwaitEnd(t)
			if code, ok := stream.Reset(); !ok || code != http2.ErrCodeFlowControl {
				t.Errorf("reset with %v (%v), want %v", code, ok, http2.ErrCodeFlowControl)
			}
		}
	})
	siege.lift(t, conn)
	gate.Open()
}

func repeat(times int, write func() error) error {
	for range times {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// many returns that many fields of a header.
func many(count int) []hpack.HeaderField {
	fields := make([]hpack.HeaderField, count)
	for i := range fields {
		fields[i] = hpack.HeaderField{Name: "x-field-" + strconv.Itoa(i), Value: "1"}
	}
	return fields
}
