package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/deflate"
)

func TestMain(m *testing.M) { leak.Verify(m) }

func TestLengthsAndWindows(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	windows := []int{0, 1, 7, 8, 63, 64, 65, 8 << 10, 32767, 32768}
	lengths := []int{1, 2, 3, 7, 8, 39, 40, 41, 48, 63, 64, 65, 257, 258, 259, 1000, 32768, 65535, 65536, 98303, 98304, 98305, 122880, 131071, 131072, 131073, 140_000}
	for _, window := range windows {
		t.Run(fmt.Sprintf("window %d", window), func(t *testing.T) {
			t.Parallel()
			text, m := scopes(rand.New(rand.NewPCG(2, uint64(window))), window+slices.Max(lengths))
			for _, n := range lengths {
				compressed(t, text[:window+n], window, m)
			}
		})
	}
	// More of a window than there can be.
	text, m := scopes(rng, 300_000)
	for _, window := range []int{32769, 100_000, 131_072, 200_001, 299_999} {
		compressed(t, text, window, m)
	}
	if blocks := compressed(t, text, len(text), m); len(blocks) != 0 {
		t.Errorf("%d bytes for no text, want none", len(blocks))
	}
}

// What a compressor made before does not show.
func TestUsedAgain(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	json, jsonMarks := scopes(rng, 100_000)
	small, smallMarks := scopes(rng, 5000)
	texts := []struct {
		text   []byte
		window int
		marks  marks
	}{
		{[]byte("a"), 0, nil}, // a fixed block
		{json, 0, jsonMarks},
		{json, 30_000, jsonMarks},
		{bytes.Repeat([]byte(`"a":1,`), 20_000), 0, nil},
		{noise(rng, 70_000), 5000, everywhere(rng, 70_000, 1)},
		{[]byte("abcabcabc"), 3, nil},
		{small, 4096, smallMarks},
		{bytes.Repeat([]byte{0}, 140_000), 0, everywhere(rng, 140_000, 0.5)},
	}
	want := make([][]byte, len(texts))
	for i, x := range texts {
		want[i] = compressed(t, x.text, x.window, x.marks)
	}
	c := deflate.New()
	for range 200 {
		i := rng.IntN(len(texts))
		if got := c.Append([]byte("before"), texts[i].text, texts[i].window, texts[i].marks); string(got) != "before"+string(want[i]) {
			t.Fatalf("text %d: %d bytes, want the %d of a new compressor", i, len(got), len(want[i]))
		}
	}
}

// A match may begin before its anchor, but not in the window, nor before all text.
func TestMatchBeginsBefore(t *testing.T) {
	t.Parallel()
	const word = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
	for front := range 12 {
		for window := range front + 12 {
			text := []byte(word[:front] + `"` + word + `"` + word[:front] + `"` + word + `"` + word + word)
			m := newMarks(len(text))
			m.add(front + 1)
			m.add(2*front + len(word) + 3)
			compressed(t, text, window, m)
		}
	}
	// Before the text there is nothing that could agree, be it 0.
	for front := range 20 {
		for zeros := range 20 {
			text := []byte(strings.Repeat("x", front) + word + strings.Repeat("\x00", zeros) + word + word)
			for _, window := range []int{0, front, front + len(word)} {
				compressed(t, text, window, everywhere(rand.New(rand.NewPCG(5, 5)), len(text), 1))
			}
		}
	}
}

// A long match is split so that no part is too short or too long.
func TestLongMatches(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{8, 9, 255, 256, 257, 258, 259, 260, 265, 266, 267, 515, 516, 517, 518, 523, 524, 525, 774, 2580, 30_000} {
		block := noise(rng, n)
		text := slices.Concat(block, []byte("~"), block, noise(rng, 60))
		m := newMarks(len(text))
		m.add(1)
		m.add(n + 2)
		if got, most := len(compressed(t, text, n+1, m)), 60+20+n/64; n > 20 && got > most {
			t.Errorf("a match of %d bytes: %d bytes, want at most %d", n, got, most)
		}
		compressed(t, text, 0, m)
	}
}

// standardLength returns how long compress/flate makes a text.
func standardLength(t *testing.T, text []byte, level int) int {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// Frequencies as the numbers of Fibonacci would need codes of more than 15 bits.
func TestLongestCodes(t *testing.T) {
	t.Parallel()
	var text []byte
	for symbol, a, b := 0, 1, 1; len(text)+a < 125_000; symbol, a, b = symbol+1, b, a+b {
		text = append(text, bytes.Repeat([]byte{byte('A' + symbol)}, a)...)
	}
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(text), func(i, j int) { text[i], text[j] = text[j], text[i] })
	got := len(compressed(t, text, 0, nil))
	want := standardLength(t, text, flate.HuffmanOnly)
	if got > want*21/20 {
		t.Errorf("%d bytes, want about the %d of compress/flate", got, want)
	}
}

// A block may need no distance, or one.
func TestFewDistances(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(6, 6))
	compressed(t, from(rng, "abcdefgh", 2000), 0, nil)
	unit := from(rng, "abcdefgh", 64)
	compressed(t, slices.Concat(unit, unit, from(rng, "abcdefgh", 1000)), 64, everywhere(rng, 128, 1))
	compressed(t, bytes.Repeat([]byte("a"), 100_000), 0, everywhere(rng, 100_000, 1))
}

// Text that can't be compressed is stored.
func TestExpansion(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{1000, 65535, 65536, 131_070, 131_071, 131_072} {
		text := noise(rng, n)
		requireStored(t, compressed(t, text, 0, everywhere(rng, n, 0.1)), text)
	}
	for n := 1; n < 600; n++ {
		if got := len(compressed(t, noise(rng, n), 0, nil)); got > n+5 {
			t.Errorf("%d bytes become %d, want at most %d", n, got, n+5)
		}
	}
	const n = 1_000_000
	if got, most := len(compressed(t, noise(rng, n), 0, nil)), n+5*22; got > most {
		t.Errorf("%d bytes become %d, want at most %d", n, got, most)
	}
}

// Marks need not be right, nor as many as the text has bytes, nor so few that there is room for all.
func TestAnyMarks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 8))
	text, right := scopes(rng, 130_000)
	for _, m := range []marks{
		nil,
		{},
		right[:1], right[:1000], append(slices.Clone(right), ^uint64(0)),
		everywhere(rng, len(text), 0.01), everywhere(rng, len(text), 0.2), everywhere(rng, len(text), 1),
	} {
		for _, window := range []int{0, 10_000, 129_970} {
			compressed(t, text, window, m)
		}
	}
}

// Matches that are missed show in nothing but the size. These names are random, so that short matches
// would gain much; those of programs are less so, and encode has a test for them.
func TestSize(t *testing.T) {
	t.Parallel()
	text, m := scopes(rand.New(rand.NewPCG(9, 9)), 2_000_000)
	standard := standardLength(t, text, 6)
	for _, tt := range []struct {
		name  string
		marks marks
		most  float64 // to compress/flate
	}{{"with marks", m, 1.37}, {"without marks", nil, 1.49}} {
		got := 0
		c := deflate.New()
		const chunk, window = 120 << 10, 8 << 10
		for at := 0; at < len(text); at += chunk {
			from := max(0, at-window)
			end := min(len(text), at+chunk)
			got += len(c.Append(nil, text[from:end], at-from, tt.marks[min(from/64, len(tt.marks)):]))
		}
		t.Logf("%s: %d bytes, %.3f of compress/flate", tt.name, got, float64(got)/float64(standard))
		if ratio := float64(got) / float64(standard); ratio > tt.most {
			t.Errorf("%s: %.3f times the bytes of compress/flate, want at most %.3f", tt.name, ratio, tt.most)
		}
	}
}
