package grpcwire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

// block returns the fields as HPACK.
func block(tb rapid.TB, fields ...hpack.HeaderField) []byte {
	tb.Helper()
	var b bytes.Buffer
	encoder := hpack.NewEncoder(&b)
	for _, field := range fields {
		if err := encoder.WriteField(field); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestFields opens streams with fields in all forms, ends them, and compares what is
// drawn for the fields.
func TestFields(t *testing.T) {
	t.Parallel()
	long := hpack.HeaderField{Name: "x-long", Value: strings.Repeat("~", 3000)}
	short := hpack.HeaderField{Name: "x", Value: "1"}
	open := func(param http2.HeadersFrameParam, more ...[]byte) []byte {
		param.StreamID, param.EndHeaders = 1, len(more) == 0
		return frame(t, func(f *http2.Framer) error {
			err := f.WriteHeaders(param)
			for i, b := range more {
				err = errors.Join(err, f.WriteContinuation(1, i == len(more)-1, b))
			}
			return err
		})
	}
	const fieldBytes = 112
	takes := func(fields ...hpack.HeaderField) (sum int) {
		for _, field := range fields {
			sum += fieldBytes + len(field.Name) + len(field.Value)
		}
		return sum
	}
	twice := block(t, long, short, long, short)
	for name, test := range map[string]struct {
		sends []byte
		want  int
	}{
		"none":                             {sends: open(http2.HeadersFrameParam{})},
		"some":                             {sends: open(http2.HeadersFrameParam{BlockFragment: block(t, long, short)}), want: takes(long, short)},
		"of the table":                     {sends: open(http2.HeadersFrameParam{BlockFragment: twice}), want: 2 * takes(long, short)},
		"padded":                           {sends: open(http2.HeadersFrameParam{BlockFragment: block(t, short), PadLength: 200}), want: takes(short)},
		"with a priority":                  {sends: open(http2.HeadersFrameParam{BlockFragment: block(t, short), Priority: http2.PriorityParam{Weight: 1}}), want: takes(short)},
		"with both":                        {sends: open(http2.HeadersFrameParam{BlockFragment: block(t, short), PadLength: 9, Priority: http2.PriorityParam{Weight: 1}}), want: takes(short)},
		"of a stream that the client ends": {sends: open(http2.HeadersFrameParam{BlockFragment: block(t, short), EndStream: true}), want: takes(short)},
		"continued":                        {sends: open(http2.HeadersFrameParam{BlockFragment: twice[:7]}, twice[7:100], nil, twice[100:]), want: 2 * takes(long, short)},
		"more than a request may have": {
			sends: open(http2.HeadersFrameParam{BlockFragment: block(t, slices.Repeat([]hpack.HeaderField{long}, 10)...)}), want: 2 * takes(long),
		},
		"not to be decoded": {sends: open(http2.HeadersFrameParam{BlockFragment: append(block(t, short), 0xff, 0xff, 0xff, 0xff, 0xff)}), want: takes(short)},
		"behind that":       {sends: append(open(http2.HeadersFrameParam{BlockFragment: []byte{0x80}}), data(t, 1, false, message(9))...)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 1 << 20} {
				o := greeted(t, limits)
				o.script.pieces = func(int) int { return piece }
				o.receive(t, test.sends)
				longest := 0 // a frame for which gRPC keeps room
				for rest := test.sends; len(rest) >= 9; {
					length := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
					if rest = rest[min(9+length, len(rest)):]; length > 1024 {
						longest = max(longest, length)
					}
				}
				if got := o.purse.drawnBytes() - openBytes - streamBytes - longest; got != test.want {
					t.Errorf("%d bytes are drawn for fields, want %d", got, test.want)
				}
				o.send(t, headers(t, 1, true))
				if got := o.purse.drawnBytes() - streamBytes - longest; got != 0 {
					t.Errorf("%d bytes are drawn when the server has ended the stream, want 0", got)
				}
				o.end(t)
			}
		})
	}
}

// settings returns SETTINGS of the window of streams, among others.
func settings(tb rapid.TB, window uint32) []byte {
	tb.Helper()
	return frame(tb, func(f *http2.Framer) error {
		return f.WriteSettings(
			http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: window},
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0},
		)
	})
}

// TestNoRoomForAnswers has a client leave windows that are too small, and compares
// whether its connection is ended in time.
func TestNoRoomForAnswers(t *testing.T) {
	t.Parallel()
	const whole, least = 1<<16 - 1, 128
	answered := func(bytes int) []byte { return data(t, 1, false, make([]byte, bytes)) }
	for name, test := range map[string]struct {
		receive, send, then []byte
		want                bool
	}{
		"as it begins":                    {},
		"none in a stream":                {receive: settings(t, 0), want: true},
		"too little in a stream":          {receive: settings(t, least-1), want: true},
		"as little as may be in a stream": {receive: settings(t, least)},
		"more than there can be":          {receive: settings(t, 1<<32-1)},
		"a stream's own increment":        {receive: append(settings(t, 0), widen(t, 1, whole)...), want: true},
		"acknowledged settings":           {receive: frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(http2.FrameSettings, 1, 0, settings(t, 0)[9:]) })},
		"used up":                         {send: answered(whole), want: true},
		"almost used up":                  {send: answered(whole - least + 1), want: true},
		"just not used up":                {send: answered(whole - least)},
		"headers use nothing":             {send: bytes.Repeat(headers(t, 1, false), whole/9+1)},
		"opened in time":                  {receive: settings(t, 0), then: settings(t, whole)},
		"widened in time":                 {send: answered(whole), then: widen(t, 0, least)},
		"widened too little":              {send: answered(whole), then: widen(t, 0, least-1), want: true},
		"widened elsewhere":               {send: answered(whole), then: widen(t, 1, whole), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 1 << 20} {
				synctest.Test(t, func(t *testing.T) {
					o := greeted(t, limits)
					o.script.pieces = func(int) int { return piece }
					o.receive(t, headers(t, 1, false), test.receive)
					for rest := test.send; len(rest) > 0; {
						n := min(max(piece, 100), len(rest))
						o.send(t, rest[:n])
						rest = rest[n:]
					}
					<-time.After(limits.Patience - 1)
					o.receive(t, test.then)
					<-time.After(limits.Patience)
					synctest.Wait()
					if got := o.script.closed > 0; got != test.want {
						t.Errorf("the connection is closed: %v, want %v", got, test.want)
					}
					if len(o.refused) > 0 {
						if _, ok := errors.AsType[*grpcwire.StuckError](o.refused[0]); !ok {
							t.Error(o.refused)
						}
					}
					o.end(t)
				})
			}
		})
	}
}

// TestAskedForMore opens ever more streams while no answer has room, and when some
// has.
func TestAskedForMore(t *testing.T) {
	t.Parallel()
	const most = 64
	o := greeted(t, limits)
	id := uint32(1)
	ask := func(count int) error {
		for range count {
			if err := o.tryReceive(t, headers(t, id, true)); err != nil {
				return err
			}
			o.send(t, headers(t, id, true))
			id += 2
		}
		return nil
	}
	steps := []struct {
		window uint32
		asks   int
	}{{0, most}, {1 << 16, most}, {0, most}}
	for _, step := range steps {
		o.receive(t, settings(t, step.window))
		if err := ask(step.asks); err != nil {
			t.Fatal(err)
		}
	}
	if stuck, ok := errors.AsType[*grpcwire.StuckError](ask(1)); !ok || stuck.Asked != most {
		t.Errorf("refused with %v", o.refused)
	}
	o.end(t)
}

// piped is a connection whose client reads nothing unless it is told to.
func piped(t *testing.T, p *purse) (conn *grpcwire.Conn, client net.Conn, refused chan error) {
	t.Helper()
	client, server := net.Pipe()
	refused = make(chan error, 1)
	return grpcwire.Observe(server, limits, p, func(err error) { refused <- err }), client, refused
}

// TestUnreadAnswer has a client not read what the server writes.
func TestUnreadAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p purse
		conn, client, refused := piped(t, &p)
		defer client.Close()
		began := time.Now()
		if _, err := conn.Write(headers(t, 1, true)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v, want %v", err, os.ErrDeadlineExceeded)
		}
		if took := time.Since(began); took != limits.Patience {
			t.Errorf("it took %v, want %v", took, limits.Patience)
		}
		if stuck, ok := errors.AsType[*grpcwire.StuckError](<-refused); !ok || stuck.Patience != limits.Patience {
			t.Errorf("refused with %v, want patience of %v", stuck, limits.Patience)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("read: %v, want %v", err, io.ErrClosedPipe)
		}
		p.requireSettled(t)
	})
}

// TestReadsWait has the server write what its client does not read, which goes on
// asking. Some of that is handed on, and the rest when the write has returned.
func TestReadsWait(t *testing.T) {
	t.Parallel()
	const count, queuedBytes = 2000, 64 << 10
	ping := frame(t, func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
	var requests []byte
	for i := range uint32(count) {
		requests = append(requests, headers(t, 2*i+3, true)...)
	}
	for name, test := range map[string]struct {
		asks []byte
		want int // of the frames are handed on at first
		each int // bytes of a frame
	}{
		"PING":           {bytes.Repeat(ping, count), queuedBytes / 128, len(ping)},
		"SETTINGS":       {bytes.Repeat(settings(t, 1<<16), count), queuedBytes/(128+4*18) + 1, len(settings(t, 0))},
		"increments":     {bytes.Repeat(widen(t, 0, 1), count), queuedBytes / 128, len(widen(t, 0, 1))},
		"requests":       {requests, 2, 9},
		"resets":         {bytes.Repeat(reset(t, 1), count), (queuedBytes - openBytes) / 128, len(reset(t, 1))},
		"data":           {bytes.Repeat(data(t, 1, false, message(5000)), count), count, len(data(t, 1, false, message(5000)))},
		"frames unknown": {bytes.Repeat(frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(99, 0, 1, nil) }), count), queuedBytes / 128, 9},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var p purse
				conn, client, refused := piped(t, &p)
				var mu sync.Mutex
				var got []byte
				var beside sync.WaitGroup
				beside.Go(func() {
					buffer := make([]byte, 8<<10)
					for n, err := 0, error(nil); err == nil; n, err = conn.Read(buffer) {
						mu.Lock()
						got = append(got, buffer[:n]...)
						mu.Unlock()
					}
				})
				begin := append([]byte(http2.ClientPreface), headers(t, 1, false)...)
				if _, err := client.Write(begin); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				beside.Go(func() {
					if _, err := conn.Write(ping); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				beside.Go(func() {
					if _, err := client.Write(test.asks); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
				mu.Lock()
				first := len(got) - len(begin)
				mu.Unlock()
				if want := test.want * test.each; first < want-test.each || first > want {
					t.Errorf("%d bytes are handed on, want about %d", first, want)
				}
				if drawn := p.drawnBytes(); drawn > 2*queuedBytes+openBytes+streamBytes+8<<10+32<<10 {
					t.Errorf("%d bytes are drawn, want at most %v", drawn, 2*queuedBytes+openBytes+streamBytes+8<<10+32<<10)
				}
				if _, err := io.ReadFull(client, make([]byte, len(ping))); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if !bytes.Equal(got, append(begin, test.asks...)) {
					t.Errorf("%d bytes came through, or others than were sent", len(got))
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
				beside.Wait()
				p.requireSettled(t)
				if len(refused) > 0 {
					t.Error(<-refused)
				}
			})
		})
	}
}

// TestClosedWhileItWaits closes a connection of which reads wait for a write.
func TestClosedWhileItWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p purse
		conn, client, _ := piped(t, &p)
		var beside sync.WaitGroup
		beside.Go(func() { _, _ = conn.Write(reset(t, 1)) })
		synctest.Wait()
		beside.Go(func() {
			_, _ = client.Write(append([]byte(http2.ClientPreface), bytes.Repeat(settings(t, 1<<16), 1000)...))
		})
		beside.Go(func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{conn}) })
		synctest.Wait()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		beside.Wait()
		p.requireSettled(t)
		_ = client.Close()
	})
}
