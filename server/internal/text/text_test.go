package text_test

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/text"
)

// Whatever a text is, it makes a log line at most 256 bytes longer, and what is shown of
// it is its beginning.
func TestClip(t *testing.T) {
	t.Parallel()
	for long, want := range map[string]string{
		"":                       "",
		"shop":                   "shop",
		strings.Repeat("x", 256): strings.Repeat("x", 256),
		strings.Repeat("x", 257): strings.Repeat("x", 256) + "…",
		strings.Repeat("é", 129): strings.Repeat("é", 128) + "…",
		strings.Repeat("\n", 43): strings.Repeat("\n", 42) + "…",
	} {
		if got := text.Clip(long); got != want {
			t.Errorf("%q of %q, want %q", got, long, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		long := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "text")
		long = strings.Repeat(long, rapid.IntRange(1, 100).Draw(t, "times"))
		shown, isClipped := strings.CutSuffix(text.Clip(long), "…")
		if !isClipped && shown != long || isClipped && !strings.HasPrefix(strings.ToValidUTF8(long, ""), shown) {
			t.Fatalf("%q of %q, want its beginning, and all unless it is clipped", shown, long)
		}
		for _, handler := range []func(io.Writer) slog.Handler{
			func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
			func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
		} {
			length := func(shown string) int {
				var line bytes.Buffer
				record := slog.NewRecord(time.Time{}, slog.LevelInfo, "", 0)
				record.AddAttrs(slog.String("text", shown))
				if err := handler(&line).Handle(t.Context(), record); err != nil {
					t.Fatal(err)
				}
				return line.Len()
			}
			if more := length(text.Clip(long)) - length(""); more > 256+len(`"…"`) {
				t.Fatalf("%d bytes are logged of %q, want 256 at most", more, long)
			}
		}
	})
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 1: "1", 1000: "1000", 1 << 10: "1KiB", 1<<10 + 1: "1025", 32 << 20: "32MiB", 5 << 30: "5GiB", 1 << 40: "1024GiB", -1024: "-1KiB",
	} {
		if got := text.Bytes(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
