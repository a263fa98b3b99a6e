package grpcwire_test

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"
)

// TestBacklog sends whole messages on stream 1, which the server reads as far as it
// says.
func TestBacklog(t *testing.T) {
	t.Parallel()
	const each = 600 + frameBytes
	whole := func(count int) []byte { return bytes.Repeat(data(t, 1, false, message(595)), count) }
	widened := func(increment int) []byte { return widen(t, 1, increment) }
	padded := frame(t, func(f *http2.Framer) error { return f.WriteDataPadded(1, false, message(1), make([]byte, 255)) })
	reserved := widened(20_000)
	reserved[9] |= 0x80
	for name, test := range map[string]struct {
		receive     []byte
		send        []byte
		then        []byte // received
		least, most int
		over        bool // the stream
	}{
		"up to an update":         {receive: whole(27)},
		"a full window":           {receive: whole(109), least: 81 * each, most: 82 * each},
		"large frames":            {receive: bytes.Repeat(data(t, 1, false, message(1020)), 60)},
		"tiny frames":             {receive: bytes.Repeat(data(t, 1, false, message(0)), 13_000), least: 1024*(5+frameBytes) - 32<<10, most: 2200*(5+frameBytes) - 32<<10},
		"padding":                 {receive: bytes.Repeat(padded, 240), least: 240*(262+frameBytes) - 32<<10, most: 240*(262+frameBytes) - 16<<10},
		"padding is read at once": {receive: bytes.Repeat(padded, 240), send: widened(240 * 256), least: 240*(262+frameBytes) - 32<<10, most: 240*(262+frameBytes) - 16<<10},
		"some is read":            {receive: whole(100), send: widened(20_000), least: 38 * each, most: 40 * each},
		"the reserved bit":        {receive: whole(100), send: reserved, least: 38 * each, most: 40 * each},
		"all is read":             {receive: whole(100), send: widened(60_000)},
		"more after all is read":  {receive: whole(100), send: widened(60_000), then: whole(27)},
		"widened in advance":      {receive: whole(20), send: widened(100_000), then: whole(140)},
		"another stream is read":  {receive: whole(100), send: widen(t, 3, 60_000), least: 72 * each, most: 73 * each},
		"the connection is read":  {receive: whole(100), send: widen(t, 0, 60_000), least: 72 * each, most: 73 * each},
		"the client has ended":    {receive: append(whole(99), data(t, 1, true, message(595))...), then: whole(1), least: 72 * each, most: 73 * each},
		"both have ended":         {receive: append(whole(99), data(t, 1, true, message(595))...), send: headers(t, 1, true), over: true},
		"ended, and read":         {receive: append(whole(99), data(t, 1, true, message(595))...), send: widened(50_000)},
		"the server has ended":    {receive: whole(100), send: headers(t, 1, true), over: true},
		"the client gives up":     {receive: whole(100), then: reset(t, 1), over: true},
		"half a message at the end": {
			receive: append(whole(100), data(t, 1, false, message(1000)[:600])...), least: 72 * each, most: 74 * each,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, piece := range []int{1, 1 << 20} {
				o := greeted(t, limits)
				o.script.pieces = func(int) int { return piece }
				o.receive(t, headers(t, 1, false), test.receive)
				for rest := test.send; len(rest) > 0; {
					n := min(piece, len(rest))
					o.send(t, rest[:n])
					rest = rest[n:]
				}
				o.receive(t, test.then)
				got := o.purse.drawnBytes() - streamBytes
				if !test.over {
					got -= openBytes
				}
				if got < test.least || got > test.most {
					t.Errorf("%d bytes are drawn, want from %d to %d", got, test.least, test.most)
				}
				o.end(t)
			}
		})
	}
}

// TestBacklogOfReader reads messages in small frames at random, widens the window
// as gRPC does, and compares what is drawn with what is not read.
func TestBacklogOfReader(t *testing.T) {
	t.Parallel()
	const window = 64 << 10
	rapid.Check(t, func(t *rapid.T) {
		o := greeted(t, limits)
		o.receive(t, headers(t, 1, false))
		var unread []int // frames
		came, read, told := 0, 0, 0
		shortest := rapid.IntRange(64, 1024).Draw(t, "shortest")
		for range rapid.IntRange(1, 20).Draw(t, "turns") {
			var sends []byte
			for range rapid.IntRange(0, 200).Draw(t, "frames") {
				length := rapid.IntRange(shortest, 1024).Draw(t, "length")
				if came+length-told > window {
					break
				}
				sends = append(sends, data(t, 1, false, message(length-5))...)
				unread = append(unread, length)
				came += length
			}
			o.receive(t, sends)
			for range rapid.IntRange(0, len(unread)).Draw(t, "reads") {
				read += unread[0]
				unread = unread[1:]
				if read-told >= window/4 {
					o.send(t, widen(t, 1, read-told))
					told = read
				}
			}
			takes := came - read + len(unread)*frameBytes
			if got := o.purse.drawnBytes() - streamBytes - openBytes; got < takes-window/2 || got > takes+window/8 {
				t.Fatalf("%d bytes are drawn for %d that are not read, and take %d", got, came-read, takes)
			}
		}
		o.end(t)
	})
}
