package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/integration/logged"
)

// TestNoise: of each message a line a second is logged, which tells how many were not,
// and no line is longer than its texts are clipped to.
func TestNoise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logged.Text
		n := newNoise(slog.New(slog.NewTextHandler(&log, nil)))
		for range 25 {
			logRefusal(n, &net.TCPAddr{}, fmt.Errorf("bad %s", strings.Repeat("\x01", 10_000)))
			logRefusal(n, &net.TCPAddr{}, io.EOF) // of no interest
			n.info("connection ended")
			<-time.After(noiseInterval / 10)
		}
		for text, want := range map[string]int{
			"TLS handshake failed": 3, "connection ended": 3, "unlogged=0": 2, "unlogged=9": 4,
		} {
			if got := log.Count(text); got != want {
				t.Errorf("%q is logged %d times, want %d", text, got, want)
			}
		}
		if got := len(log.String()); got > 6*(clipBytes+200) {
			t.Errorf("logged %d bytes", got)
		}
	})
}

// TestClip: whatever a text is, it makes a log line longer by clipBytes at most, and
// what is shown of it is its beginning.
func TestClip(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       "",
		"shop":                   "shop",
		strings.Repeat("x", 256): strings.Repeat("x", 256),
		strings.Repeat("x", 257): strings.Repeat("x", 256) + "…",
		strings.Repeat("é", 129): strings.Repeat("é", 128) + "…",
		strings.Repeat("\n", 43): strings.Repeat("\n", 42) + "…",
	} {
		if got := clip(text); got != want {
			t.Errorf("%q of %q, want %q", got, text, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		text = strings.Repeat(text, rapid.IntRange(1, 100).Draw(t, "times"))
		shown, isClipped := strings.CutSuffix(clip(text), "…")
		if !isClipped && shown != text || isClipped && !strings.HasPrefix(strings.ToValidUTF8(text, ""), shown) {
			t.Fatalf("%q of %q", shown, text)
		}
		for _, handler := range []func(io.Writer) slog.Handler{
			func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
			func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		} {
			length := func(text string) int {
				var line bytes.Buffer
				record := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
				record.AddAttrs(slog.String("text", text))
				if err := handler(&line).Handle(t.Context(), record); err != nil {
					t.Fatal(err)
				}
				return line.Len()
			}
			if more := length(clip(text)) - length(""); more > clipBytes+len(`"…"`) {
				t.Fatalf("%d bytes are logged of %q", more, text)
			}
		}
	})
}
