package grpcwire_test

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"
)

// TestFramesAreJoined reads what a client sends at once.
func TestFramesAreJoined(t *testing.T) {
	t.Parallel()
	one, two := message(300), message(9000)
	on := func(stream uint32, b ...[]byte) []byte { return data(t, stream, false, bytes.Join(b, nil)) }
	padded := frame(t, func(f *http2.Framer) error { return f.WriteDataPadded(1, false, one, make([]byte, 5)) })
	ping := frame(t, func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
	for name, test := range map[string]struct{ sends, want [][]byte }{
		"messages":       {[][]byte{on(1, one), on(1, two), on(1, one)}, [][]byte{on(1, one, two, one)}},
		"too long":       {[][]byte{on(1, two), on(1, two), on(1, one)}, [][]byte{on(1, two), on(1, two, one)}},
		"empty frames":   {[][]byte{on(1), on(1), on(1, one), on(1)}, [][]byte{on(1, one)}},
		"end":            {[][]byte{on(1, one), data(t, 1, true, one)}, [][]byte{data(t, 1, true, append(slices.Clip(one), one...))}},
		"behind the end": {[][]byte{data(t, 1, true, one), on(1, one)}, [][]byte{data(t, 1, true, one), on(1, one)}},
		"streams":        {[][]byte{on(1, one), on(3, one), on(3, two), on(1, one)}, [][]byte{on(1, one), on(3, one, two), on(1, one)}},
		"padding":        {[][]byte{on(1, one), padded, on(1, one)}, [][]byte{on(1, one), padded, on(1, one)}},
		"other frames":   {[][]byte{on(1, one), ping, on(1, one)}, [][]byte{on(1, one), ping, on(1, one)}},
		"incomplete":     {[][]byte{on(1, one), on(1, one), on(1, two)[:5000]}, [][]byte{on(1, one, one), on(1, two)[:5000]}},
		"cut header":     {[][]byte{on(1, one), on(1, two)[:4]}, [][]byte{on(1, one), on(1, two)[:4]}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := greeted(t, limits)
			o.receive(t, headers(t, 1, false), headers(t, 3, false))
			o.script.sends.Write(bytes.Join(test.sends, nil))
			got := make([]byte, 64<<10)
			n, err := o.Read(got)
			if want := bytes.Join(test.want, nil); err != nil || !bytes.Equal(got[:n], want) {
				t.Errorf("read %x, %v, want %x", got[:n], err, want)
			}
			o.end(t)
		})
	}
}

// TestJoinedFrames sends random frames that are read in pieces. What is read must be the same
// but for where frames of data end.
func TestJoinedFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := greeted(t, limits)
		o.script.pieces = func(most int) int { return rapid.IntRange(1, most).Draw(t, "piece") }
		sends := [][]byte{headers(t, 1, false), headers(t, 3, false)}
		for range rapid.IntRange(1, 20).Draw(t, "frames") {
			stream := uint32(1 + 2*rapid.IntRange(0, 4).Draw(t, "stream")/4)
			switch b := message(rapid.IntRange(0, 100).Draw(t, "length")); rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				sends = append(sends, frame(t, func(f *http2.Framer) error { return f.WriteDataPadded(stream, false, b, make([]byte, 3)) }))
			case 1:
				sends = append(sends, frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(99, 0, stream, b) }))
			case 2:
				sends = append(sends, data(t, stream, true, b))
			default:
				sends = append(sends, data(t, stream, false, b))
			}
		}
		sent := bytes.Join(sends, nil)
		o.script.sends.Write(sent)
		got, err := io.ReadAll(o.Conn)
		if want := joinFrames(sent); err != nil || !slices.EqualFunc(joinFrames(got), want, bytes.Equal) {
			t.Fatalf("read %x, %v, want %x as it was sent", got, err, sent)
		}
		o.end(t)
	})
}

// joinFrames joins all frames of data in b that can be joined, whatever their length. Their
// lengths are left out.
func joinFrames(b []byte) (frames [][]byte) {
	const endStream = 1
	for len(b) > 0 {
		end := frameEnd(b)
		next := bytes.Clone(b[:end])
		b = b[end:]
		if next[3] == byte(http2.FrameData) {
			next[0], next[1], next[2] = 0, 0, 0
			if i := len(frames) - 1; i >= 0 && frames[i][3] == next[3] && frames[i][4] == 0 && next[4]&^endStream == 0 &&
				bytes.Equal(frames[i][5:headerBytes], next[5:headerBytes]) {
				frames[i] = append(frames[i], next[headerBytes:]...)
				frames[i][4] = next[4]
				continue
			}
		}
		frames = append(frames, next)
	}
	return frames
}
