// Package sampling keeps a log short by leaving out repeated lines. Start at [New].
package sampling

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// Period is the time for which the limits apply.
	Period = time.Second
	// maxKinds is how many kinds of lines are counted in a period. Further kinds count
	// as one.
	maxKinds = 64
	// lineBytes, times the limit of lines of a kind, is the limit of bytes of all kinds.
	// The first line of each kind always passes.
	lineBytes = 640
	// maxTextBytes is how much of a message or reason is kept.
	maxTextBytes = 100
	// ReasonKey is the attribute that distinguishes lines with the same message. Its
	// values must be of a fixed set.
	ReasonKey = "reason"
)

// Handler passes on the first lines of each kind in a period, up to a limit of bytes for
// all kinds. At the end of the period it adds a line for each kind of which it left some
// out. A kind is level, message and reason. A Handler is safe for concurrent use, and its
// memory is bounded.
type Handler struct {
	next slog.Handler
	// reason is from the attributes given by With.
	reason string
	counts *counts
}

// counts is shared by handlers derived from one another.
type counts struct {
	root  slog.Handler
	limit int

	mu    sync.Mutex
	kinds map[kind]tally
	bytes int         // passed on in the period
	end   *time.Timer // ends the period; nil if none has begun
}

// tally is how many lines of a kind were passed on and left out in a period.
type tally struct{ shown, left int }

type kind struct {
	level           slog.Level
	message, reason string
}

// New returns a handler that passes on to next at most limit lines of each kind a second,
// and limit times 640 bytes of all kinds. [Handler.Flush] must be called at the end.
func New(next slog.Handler, limit int) *Handler {
	return &Handler{next: next, counts: &counts{root: next, limit: limit, kinds: map[kind]tally{}}}
}

// Enabled reports whether the next handler is enabled.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle passes the record on or counts it as left out.
func (h *Handler) Handle(ctx context.Context, record slog.Record) error {
	k := kind{level: record.Level, message: cut(record.Message), reason: h.reason}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == ReasonKey {
			k.reason = cut(a.Value.String())
			return false
		}
		return true
	})
	if !h.counts.allow(k, record) {
		return nil
	}
	return h.next.Handle(ctx, record)
}

// WithAttrs returns a handler that counts together with h.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := &Handler{next: h.next.WithAttrs(attrs), reason: h.reason, counts: h.counts}
	for _, a := range attrs {
		if a.Key == ReasonKey {
			with.reason = cut(a.Value.String())
		}
	}
	return with
}

// WithGroup returns a handler that counts together with h.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), reason: h.reason, counts: h.counts}
}

// Flush ends the period now, with lines for what was left out.
func (h *Handler) Flush() { h.counts.flush() }

// allow counts a line, and reports whether to pass it on.
func (c *counts) allow(k kind, record slog.Record) bool {
	bytes := length(record)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.kinds[k]; !known && len(c.kinds) >= maxKinds {
		k = kind{level: slog.LevelWarn, message: "other"}
	}
	if c.end == nil {
		c.end = time.AfterFunc(Period, c.flush)
	}
	t := c.kinds[k]
	ok := t.shown == 0 || t.shown < c.limit && c.bytes+bytes <= c.limit*lineBytes
	if ok {
		t.shown++
		c.bytes += bytes
	} else {
		t.left++
	}
	c.kinds[k] = t
	return ok
}

// length returns an upper estimate of a line's length.
func length(record slog.Record) int {
	const restBytes, perAttr = 100, 4 // time and level; blanks and quotes
	bytes := restBytes + len(record.Message)
	record.Attrs(func(a slog.Attr) bool {
		bytes += perAttr + len(a.Key)
		for _, r := range a.Value.String() {
			if r < utf8.RuneSelf && unicode.IsPrint(r) {
				bytes++
			} else {
				bytes += escapedBytes
			}
		}
		return true
	})
	return bytes
}

// escapedBytes is the length of an escaped character.
const escapedBytes = 6

func (c *counts) flush() {
	c.mu.Lock()
	kinds := c.kinds
	c.kinds, c.bytes = map[kind]tally{}, 0
	if c.end != nil {
		c.end.Stop()
		c.end = nil
	}
	c.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(kinds), compare) {
		left := kinds[k].left
		if left == 0 {
			continue
		}
		record := slog.NewRecord(time.Now(), k.level, "log lines suppressed", 0)
		record.AddAttrs(slog.String("of", k.message), slog.Int("count", left))
		if k.reason != "" {
			record.AddAttrs(slog.String(ReasonKey, k.reason))
		}
		_ = c.root.Handle(context.Background(), record) // a failure to log can't be logged
	}
}

func compare(a, b kind) int {
	return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.message, b.message), cmp.Compare(a.reason, b.reason))
}

func cut(text string) string {
	if len(text) > maxTextBytes {
		// A copy, which does not keep the whole text in memory.
		return strings.Clone(strings.ToValidUTF8(text[:maxTextBytes], ""))
	}
	return text
}
