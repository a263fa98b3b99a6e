package grpcwire_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

var limits = grpcwire.Limits{
	Streams: 10, SmallFrames: 100, UpdateBytes: 16 << 10, HeaderListBytes: 8 << 10, Patience: time.Minute,
}

// TestHeld sends frames on streams 1 and 3, which are open, and compares what is
// then drawn for small frames.
func TestHeld(t *testing.T) {
	t.Parallel()
	whole := message(2000)
	on1 := func(ends bool, b []byte) []byte { return data(t, 1, ends, b) }
	padded := func(b []byte, padding int) []byte {
		return frame(t, func(f *http2.Framer) error { return f.WriteDataPadded(1, false, b, make([]byte, padding)) })
	}
	other := func(kind http2.FrameType, flags http2.Flags, stream uint32, length int) []byte {
		return frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(kind, flags, stream, make([]byte, length)) })
	}
	begin := on1(false, whole[:10])
	const held = 10 + frameBytes
	for name, test := range map[string]struct {
		receive [][]byte
		send    [][]byte
		want    int
		ended   int // of the two streams
	}{
		"nothing":                       {want: 0},
		"a whole message":               {receive: [][]byte{on1(false, message(10))}},
		"an empty message":              {receive: [][]byte{on1(false, message(0))}},
		"many whole messages":           {receive: [][]byte{on1(false, bytes.Repeat(message(3), 100))}},
		"a message that begins":         {receive: [][]byte{begin}, want: held},
		"half a prefix":                 {receive: [][]byte{on1(false, whole[:3])}, want: 3 + frameBytes},
		"a prefix in two":               {receive: [][]byte{on1(false, whole[:3]), on1(false, whole[3:5])}, want: 5 + 2*frameBytes},
		"an empty message in two":       {receive: [][]byte{on1(false, message(0)[:4]), on1(false, message(0)[4:])}},
		"a message in two":              {receive: [][]byte{begin, on1(false, whole[10:])}},
		"the longest small frame":       {receive: [][]byte{on1(false, whole[:1024])}, want: 1024 + frameBytes},
		"the shortest large frame":      {receive: [][]byte{on1(false, whole[:1025])}},
		"small behind large":            {receive: [][]byte{on1(false, whole[:1025]), on1(false, whole[1025:1030])}, want: 5 + frameBytes},
		"large behind small":            {receive: [][]byte{begin, on1(false, whole[10:1500])}, want: held},
		"empty frames":                  {receive: [][]byte{begin, on1(false, nil), on1(false, nil)}, want: held},
		"a frame that ends and begins":  {receive: [][]byte{begin, on1(false, append(whole[10:1000:1000], 0)), on1(false, append(whole[1001:], 0))}, want: 1005 + frameBytes},
		"padding":                       {receive: [][]byte{padded(whole[:10], 20)}, want: 31 + frameBytes},
		"padding behind a message":      {receive: [][]byte{padded(message(10), 20)}},
		"padding alone":                 {receive: [][]byte{padded(nil, 20)}},
		"padding that counts as length": {receive: [][]byte{padded(whole[:900], 200)}},
		"too much padding":              {receive: [][]byte{frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(0, 8, 1, []byte{9, 0, 0}) })}},
		"no room for padding":           {receive: [][]byte{other(http2.FrameData, http2.FlagDataPadded, 1, 0)}},
		"end of the stream":             {receive: [][]byte{begin, on1(true, nil)}},
		"reset by the client":           {receive: [][]byte{begin, reset(t, 1)}, ended: 1},
		"reset again":                   {receive: [][]byte{begin, reset(t, 1), reset(t, 1)}, ended: 1},
		"reset of another stream":       {receive: [][]byte{begin, reset(t, 3)}, want: held, ended: 1},
		"reset by the server":           {receive: [][]byte{begin}, send: [][]byte{reset(t, 1)}, ended: 1},
		"trailers":                      {receive: [][]byte{begin}, send: [][]byte{headers(t, 1, true)}, ended: 1},
		"both ends":                     {receive: [][]byte{begin, on1(true, nil)}, send: [][]byte{on1(true, nil)}, ended: 1},
		"headers of the server":         {receive: [][]byte{begin}, send: [][]byte{headers(t, 1, false), on1(false, whole)}, want: held},
		"trailers of another stream":    {receive: [][]byte{begin}, send: [][]byte{headers(t, 3, true)}, want: held, ended: 1},
		"other frames": {
			receive: [][]byte{
				begin, other(http2.FrameSettings, 1, 0, 60), other(http2.FramePing, 1, 0, 8), other(http2.FrameContinuation, 1, 1, 30),
				other(http2.FramePushPromise, 1, 1, 30), other(http2.FrameWindowUpdate, 1, 1, 4), other(200, 0xff, 1, 3000),
			},
			send: [][]byte{
				other(http2.FrameSettings, 1, 0, 60), other(http2.FramePing, 1, 0, 8), other(http2.FrameGoAway, 1, 0, 30),
				other(http2.FrameWindowUpdate, 1, 1, 4), other(http2.FrameContinuation, 1, 1, 30), other(200, 0xff, 1, 3000),
			},
			want: held + 3000, // for frames of that length
		},
		"frames of a stream that has ended": {receive: [][]byte{reset(t, 1), begin}, ended: 1},
		"frames of no stream":               {receive: [][]byte{data(t, 0, false, whole[:10])}},
		"a stream without data":             {receive: [][]byte{headers(t, 5, true), data(t, 5, false, whole[:10])}, want: streamBytes, ended: -1},
		"a stream of the server":            {receive: [][]byte{headers(t, 6, false)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, pieces := range []func(int) int{nil, func(int) int { return 1 }} {
				o := greeted(t, limits)
				o.script.pieces = pieces
				o.receive(t, headers(t, 1, false), headers(t, 3, false))
				o.receive(t, test.receive...)
				for _, b := range test.send {
					for len(b) > 0 && pieces != nil {
						o.send(t, b[:1])
						b = b[1:]
					}
					o.send(t, b)
				}
				o.receive(t)
				// The table of streams is kept when one ends.
				if got := o.purse.drawnBytes() - 2*streamBytes - (2-test.ended)*openBytes; got != test.want {
					t.Errorf("%d bytes are drawn, want %d", got, test.want)
				}
				o.end(t)
			}
		})
	}
}

// TestTooManySmallFrames cuts messages, of one stream or many, into ever more
// frames of one byte.
func TestTooManySmallFrames(t *testing.T) {
	t.Parallel()
	for name, streamCount := range map[string]int{"one stream": 1, "many streams": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := greeted(t, limits)
			for i := range streamCount {
				o.receive(t, headers(t, uint32(2*i+1), false))
			}
			for i := range limits.SmallFrames {
				o.receive(t, data(t, uint32(2*(i%streamCount)+1), false, []byte{1}))
			}
			if got, want := o.purse.drawnBytes(), limits.SmallFrames*(1+frameBytes)+streamCount*(streamBytes+openBytes); got != want {
				t.Errorf("%d bytes are drawn, want %d", got, want)
			}
			for range 3 {
				err := o.tryReceive(t, data(t, 1, false, []byte{1}))
				refusal, ok := errors.AsType[*grpcwire.SmallFramesError](err)
				if !ok || refusal.Frames != limits.SmallFrames+1 || refusal.MessageBytes != int64(limits.SmallFrames)+1 {
					t.Fatalf("%v, want a refusal of %d frames", err, limits.SmallFrames+1)
				}
			}
			o.purse.requireSettled(t)
			if o.script.closed != 1 || len(o.refused) != 1 {
				t.Errorf("closed %d times, and refused with %v: want once each", o.script.closed, o.refused)
			}
			o.end(t)
		})
	}
}

// TestSmallFramesAreFine sends no more small frames than anybody may have.
func TestSmallFramesAreFine(t *testing.T) {
	t.Parallel()
	limits := limits
	limits.SmallFrames = 10
	inFrames := func(b []byte, length int) (all [][]byte) {
		for len(b) > 0 {
			n := min(length, len(b))
			all = append(all, data(t, 1, false, b[:n]))
			b = b[n:]
		}
		return all
	}
	for name, sends := range map[string][][]byte{
		"a long message at 256 bytes a frame":  inFrames(message(1<<20), 256),
		"a long message at 600 bytes a frame":  inFrames(message(1<<20), 600),
		"short messages byte by byte":          inFrames(bytes.Repeat(message(4), 1000), 1),
		"single bytes at a long message's end": append(inFrames(message(300 << 10)[:256<<10], 16<<10), inFrames(make([]byte, 1000), 1)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := greeted(t, limits)
			o.receive(t, headers(t, 1, false))
			o.receive(t, sends...)
			o.end(t)
			if o.refused != nil {
				t.Error(o.refused)
			}
		})
	}
}

// TestTooManyStreams opens streams that nobody ends.
func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	o := greeted(t, limits)
	most := limits.Streams + 4096
	number := uint32(1)
	for range most {
		o.receive(t, headers(t, number, false))
		number += 2
	}
	if got, want := o.purse.drawnBytes(), most*(streamBytes+openBytes); got != want {
		t.Errorf("%d bytes are drawn, want %d", got, want)
	}
	o.receive(t, reset(t, 1), headers(t, number+4, true))
	err := o.tryReceive(t, headers(t, number+6, false))
	if refusal, ok := errors.AsType[*grpcwire.StreamsError](err); !ok || refusal.Streams != most {
		t.Errorf("%v, want a refusal of a stream beside %d", err, most)
	}
	o.end(t)
}

// TestManyStreamsInTurn opens far more streams, and ends each.
func TestManyStreamsInTurn(t *testing.T) {
	t.Parallel()
	o := greeted(t, limits)
	for i := range uint32(10_000) {
		o.receive(t, headers(t, 2*i+1, false), data(t, 2*i+1, false, message(2000)[:10]))
		switch i % 4 {
		case 0:
			o.receive(t, reset(t, 2*i+1))
		case 1:
			o.receive(t, data(t, 2*i+1, true, nil))
			o.send(t, data(t, 2*i+1, true, message(3)))
		case 2:
			o.send(t, headers(t, 2*i+1, false), data(t, 2*i+1, false, message(3)), headers(t, 2*i+1, true))
		case 3:
			o.send(t, reset(t, 2*i+1))
		}
		if got := o.purse.drawnBytes(); got != streamBytes {
			t.Fatalf("%d bytes are drawn after stream %d, want %v", got, 2*i+1, streamBytes)
		}
	}
	o.end(t)
}

// TestTableIsGivenBack opens many streams at once, and ends them.
func TestTableIsGivenBack(t *testing.T) {
	t.Parallel()
	limits := limits
	limits.Streams = 1000
	o := greeted(t, limits)
	for i := range uint32(1000) {
		o.receive(t, headers(t, 2*i+1, false))
	}
	for i := range uint32(1000) {
		o.send(t, reset(t, 2*i+1))
	}
	if got := o.purse.drawnBytes(); got != 0 {
		t.Errorf("%d bytes are drawn for no stream, want 0", got)
	}
	o.end(t)
}

// TestOutOfOrder sends frames that leave open which stream is which.
func TestOutOfOrder(t *testing.T) {
	t.Parallel()
	for name, sends := range map[string][]byte{
		"data of a stream to come":       data(t, 7, false, message(3)),
		"an increment of one":            widen(t, 7, 1),
		"a reset of one":                 reset(t, 7),
		"headers of the newest stream":   headers(t, 5, true),
		"headers of one that was passed": headers(t, 3, false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := greeted(t, limits)
			o.receive(t, headers(t, 1, false), headers(t, 5, false), data(t, 3, false, message(3)), frame(t, func(f *http2.Framer) error {
				return errors.Join(f.WritePriority(9, http2.PriorityParam{StreamDep: 11}), f.WriteRawFrame(200, 0xff, 9, nil))
			}))
			if _, ok := errors.AsType[*grpcwire.OrderError](o.tryReceive(t, sends)); !ok || len(o.refused) != 1 {
				t.Errorf("refused with %v", o.refused)
			}
			o.end(t)
		})
	}
}

// TestNotHTTP2 sends what gRPC refuses.
func TestNotHTTP2(t *testing.T) {
	t.Parallel()
	frames := bytes.Join([][]byte{headers(t, 1, false), data(t, 1, false, message(2000)[:10])}, nil)
	for name, greeting := range map[string]string{
		"HTTP/1": "GET / HTTP/1.1\r\nHost: scopegate\r\n\r\n", "none": "", "almost": http2.ClientPreface[:23] + " ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := observe(limits)
			o.receive(t, []byte(greeting), frames)
			if got := o.purse.drawnBytes(); got != 0 {
				t.Errorf("%d bytes are drawn, want 0", got)
			}
			o.end(t)
		})
	}
}

// TestClosed uses a connection that is closed.
func TestClosed(t *testing.T) {
	t.Parallel()
	o := greeted(t, limits)
	o.receive(t, headers(t, 1, false), data(t, 1, false, message(2000)[:10]))
	o.end(t)
	if err := o.tryReceive(t, data(t, 1, false, message(2000)[:10])); !errors.Is(err, errClosed) {
		t.Errorf("read: %v, want %v", err, errClosed)
	}
	o.send(t, reset(t, 1))
	o.end(t)
	if o.refused != nil {
		t.Error(o.refused)
	}
}

// TestEndedWithinFrame has the server end a stream when half a frame of it is
// there.
func TestEndedWithinFrame(t *testing.T) {
	t.Parallel()
	begin := data(t, 1, false, message(2000)[:10])
	for half := range len(begin) {
		o := greeted(t, limits)
		o.receive(t, headers(t, 1, false), begin, begin[:half])
		o.send(t, reset(t, 1))
		o.receive(t, begin[half:], begin)
		if got := o.purse.drawnBytes(); got != streamBytes {
			t.Errorf("%d bytes are drawn after a stream that ended %d bytes into a frame, want %d", got, half, streamBytes)
		}
		o.end(t)
	}
}
