package sampling_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/sampling"
	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// newLog returns a log of at most limit lines of a kind a second, without times.
func newLog(limit int) (*slog.Logger, *sampling.Handler, *bytes.Buffer) {
	var text bytes.Buffer
	handler := sampling.New(slog.NewTextHandler(&text, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}), limit)
	return slog.New(handler), handler, &text
}

// Lines above the limit are left out, and counted at the end of the second; the next second
// starts with none.
func TestLeavesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, _, text := newLog(2)
		for range 5 {
			log.Warn("upload ended", "reason", "OVERLOADED")
		}
		log.With("reason", "TOO_SLOW").Warn("upload ended")
		log.Info("upload ended")
		time.Sleep(sampling.Period) //nolint:forbidigo // the time of the bubble
		synctest.Wait()
		log.Warn("upload ended", "reason", "OVERLOADED")
		time.Sleep(sampling.Period) //nolint:forbidigo // the time of the bubble
		synctest.Wait()
		want := `level=WARN msg="upload ended" reason=OVERLOADED
level=WARN msg="upload ended" reason=OVERLOADED
level=WARN msg="upload ended" reason=TOO_SLOW
level=INFO msg="upload ended"
level=WARN msg="log lines suppressed" of="upload ended" count=3 reason=OVERLOADED
level=WARN msg="upload ended" reason=OVERLOADED
`
		if text.String() != want {
			t.Errorf("got:\n%s\nwant:\n%s", text, want)
		}
	})
}

// Whatever the lines contain, at most a fixed number passes in a second, and all are
// counted.
func TestBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		const limit, lines = 3, 10_000
		_, handler, text := newLog(limit)
		for i := range lines {
			record := slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprint("message ", i), 0)
			record.AddAttrs(slog.String("reason", strings.Repeat("x", 1000)+fmt.Sprint(i)))
			if err := handler.Handle(t.Context(), record); err != nil {
				t.Fatal(err)
			}
		}
		handler.Flush()
		shown := strings.Count(text.String(), "msg=\"message ")
		if shown > 65*limit {
			t.Errorf("%d of %d lines went through, want at most %v", shown, lines, 65*limit)
		}
		var left int
		if _, err := fmt.Sscanf(text.String()[strings.LastIndex(text.String(), "of="):], "of=other count=%d", &left); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if shown+left != lines {
			t.Errorf("%d shown and %d left out of %d, want %v", shown, left, lines, lines)
		}
	})
}

// TestBytesAreBounded: fewer long lines pass, and no kind is crowded out by more frequent
// ones.
func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		const limit, limitBytes = 100, 100 * 640
		for name, value := range map[string]string{
			"long": strings.Repeat("x", 1000), "that can't be printed": strings.Repeat("\x01", 200), "short": "x",
		} {
			log, handler, text := newLog(limit)
			for range 10 * limit {
				for _, reason := range []string{"A", "B", "C"} {
					log.Warn("upload ended", "reason", reason, "error", value)
				}
			}
			log.Error("another")
			shown := text.Len()
			if shown > limitBytes || shown < limitBytes/3 && value != "x" || value == "x" && strings.Count(text.String(), "\n") != 3*limit+1 {
				t.Errorf("%s: %d bytes are logged in a second, in %d lines, want a third of %d at least, and no more", name, shown, strings.Count(text.String(), "\n"), limitBytes)
			}
			for _, want := range []string{"reason=A", "reason=B", "reason=C", "msg=another"} {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%s: no line has %s, want %q in it", name, want, want)
				}
			}
			handler.Flush()
		}
	})
}

// Attributes and groups of With are kept, and lines from many goroutines are counted once
// each.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		const limit, writers, each = 50, 8, 100
		var seen tally
		handler := sampling.New(&counting{seen: &seen}, limit)
		log := slog.New(handler)
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range each {
					log.WithGroup("group").With("key", "value").Info("line")
				}
			})
		}
		all.Wait()
		handler.Flush()
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if seen.lines != limit || seen.left != writers*each-limit {
			t.Errorf("%d lines and %d left out, want %d and %d", seen.lines, seen.left, limit, writers*each-limit)
		}
	})
}

// tally counts the lines that passed, and the lines reported as left out.
type tally struct {
	mu          sync.Mutex
	lines, left int
}

type counting struct {
	seen          *tally
	attrs, groups int
}

func (c *counting) Enabled(context.Context, slog.Level) bool { return true }

func (c *counting) Handle(_ context.Context, record slog.Record) error {
	c.seen.mu.Lock()
	defer c.seen.mu.Unlock()
	if record.Message == "line" && c.attrs == 1 && c.groups == 1 {
		c.seen.lines++
	}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "count" {
			c.seen.left += int(a.Value.Int64())
		}
		return true
	})
	return nil
}

func (c *counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &counting{seen: c.seen, attrs: c.attrs + len(attrs), groups: c.groups}
}

func (c *counting) WithGroup(string) slog.Handler {
	return &counting{seen: c.seen, attrs: c.attrs, groups: c.groups + 1}
}
