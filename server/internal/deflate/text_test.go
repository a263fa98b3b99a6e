package deflate_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"

	kflate "github.com/klauspost/compress/flate"

	"github.com/scopegate/scopegate/server/internal/deflate"
)

// marks is a set of positions.
type marks []uint64

func newMarks(n int) marks { return make(marks, (n+63)/64) }

func (m marks) add(position int) {
	if position/64 < len(m) {
		m[position/64] |= 1 << (position % 64)
	}
}

// scopes returns n bytes as the JSON of scopes looks, and the marks of its values.
func scopes(rng *rand.Rand, n int) ([]byte, marks) {
	var b []byte
	m := newMarks(n)
	text := func(key, value string) {
		b = append(b, `,"`+key+`":"`...)
		m.add(len(b))
		b = append(b, value...)
		m.add(len(b))
		b = append(b, '"')
	}
	number := func(key string, value int) {
		b = strconv.AppendInt(append(b, `,"`+key+`":`...), int64(value), 10)
		m.add(len(b))
	}
	name := func() string {
		parts := []string{"Read", "Write", "Close", "buffer", "count", "next", "session", "main.", "(*Server).", "encoding/", "json", "error"}
		s := ""
		for range 1 + rng.IntN(3) {
			s += parts[rng.IntN(len(parts))]
		}
		return s
	}
	for line := 1; len(b) < n; line += rng.IntN(50) {
		b = append(b, `{"scope_type":"function"`...)
		text("name", name())
		text("source_file", "/usr/local/go/src/"+name()+".go")
		number("start_line", line)
		number("end_line", line+rng.IntN(40))
		b = append(b, `,"symbols":[`...)
		for i := range rng.IntN(6) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"symbol_type":"arg"`...)
			text("name", name())
			text("type", name())
			number("line", line+i)
			b = append(b, '}')
		}
		b = append(b, `]},`...)
	}
	return b[:n], m
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// from returns n bytes of an alphabet.
func from(rng *rand.Rand, alphabet string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return b
}

// everywhere marks each of n positions with the probability.
func everywhere(rng *rand.Rand, n int, probability float64) marks {
	m := newMarks(n)
	for i := range n {
		if rng.Float64() < probability {
			m.add(i)
		}
	}
	return m
}

// compressed returns what a new compressor makes of text, after it was checked.
func compressed(tb testing.TB, text []byte, window int, m marks) []byte {
	tb.Helper()
	blocks := deflate.New().Append(nil, text, window, m)
	requireBlocks(tb, blocks, text, window)
	return blocks
}

// lastBlock is an empty one, which ends a stream.
var lastBlock = []byte{1, 0, 0, 0xff, 0xff}

// requireBlocks fails the test unless two decoders read text from window on, and blocks end at a
// byte boundary.
func requireBlocks(tb testing.TB, blocks, text []byte, window int) {
	tb.Helper()
	dictionary := text[max(0, window-deflate.MaxWindow):window]
	for name, reader := range map[string]func(io.Reader, []byte) io.ReadCloser{
		"compress/flate": flate.NewReaderDict, "klauspost/compress": kflate.NewReaderDict,
	} {
		source := bytes.NewReader(append(bytes.Clone(blocks), lastBlock...))
		got, err := io.ReadAll(reader(source, dictionary))
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		if want := text[window:]; !bytes.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			tb.Fatalf("%s: %d bytes, want %d, other ones from %d on", name, len(got), len(want), at)
		}
		if source.Len() != 0 {
			tb.Fatalf("%s: %d bytes are left, want none", name, source.Len())
		}
	}
}

// requireStored fails the test unless blocks is text in stored blocks.
func requireStored(tb testing.TB, blocks, text []byte) {
	tb.Helper()
	for len(text) > 0 {
		n := min(len(text), 65535)
		want := binary.LittleEndian.AppendUint16([]byte{0}, uint16(n))
		want = append(binary.LittleEndian.AppendUint16(want, ^uint16(n)), text[:n]...)
		if !bytes.HasPrefix(blocks, want) {
			tb.Fatalf("%d bytes are not stored as %d", n, len(want))
		}
		blocks, text = blocks[len(want):], text[n:]
	}
	if len(blocks) > 0 {
		tb.Fatalf("%d bytes behind the stored blocks, want none", len(blocks))
	}
}
