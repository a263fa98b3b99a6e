// Package sampling keeps a log short when the same happens again and again. Start
// at [New].
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
	// Period is what lines are counted over.
	Period = time.Second
	// maxKinds is how many kinds of lines are told apart in a period. What is beyond
	// counts as one kind.
	maxKinds = 64
	// lineBytes is how long lines may be on average, where there are as many as may be of
	// a kind. The first of each kind counts, and is not limited.
	lineBytes = 640
	// maxTextBytes is how much of a message or reason is remembered.
	maxTextBytes = 100
	// ReasonKey is the attribute that tells kinds of lines with the same message
	// apart. Its values must be of a fixed set.
	ReasonKey = "reason"
)

// Handler hands on the first lines of each kind in a period, as long as those of all
// kinds are not too many bytes, and at the end of the period a line for each kind of
// which some were left out, that says how many. A kind is level, message and reason. It
// is safe for concurrent use, and what it holds is bounded.
type Handler struct {
	next slog.Handler
	// reason is that of the attributes given by With.
	reason string
	counts *counts
}

// counts is what handlers that come of one another share.
type counts struct {
	root  slog.Handler
	limit int

	mu    sync.Mutex
	kinds map[kind]tally
	bytes int         // that were handed on in the period
	end   *time.Timer // of the period; nil: there is none
}

// tally is how many lines of a kind were handed on in a period, and left out.
type tally struct{ shown, left int }

type kind struct {
	level           slog.Level
	message, reason string
}

// New returns a handler in front of next that hands on so many lines of each kind a
// second, and 640 bytes for each of so many. [Handler.Flush] must be called at the end.
func New(next slog.Handler, limit int) *Handler {
	return &Handler{next: next, counts: &counts{root: next, limit: limit, kinds: map[kind]tally{}}}
}

// Enabled tells whether next is.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle hands the record on or counts it.
func (h *Handler) Handle(ctx context.Context, record slog.Record) error {
	of := kind{level: record.Level, message: cut(record.Message), reason: h.reason}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == ReasonKey {
			of.reason = cut(a.Value.String())
			return false
		}
		return true
	})
	if !h.counts.allow(of, record) {
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

// Flush ends the period now: it says what was left out.
func (h *Handler) Flush() { h.counts.flush() }

// allow counts a line, and tells whether it is handed on.
func (c *counts) allow(of kind, record slog.Record) bool {
	bytes := length(record)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.kinds[of]; !known && len(c.kinds) >= maxKinds {
		of = kind{level: slog.LevelWarn, message: "other"}
	}
	if c.end == nil {
		c.end = time.AfterFunc(Period, c.flush)
	}
	t := c.kinds[of]
	ok := t.shown == 0 || t.shown < c.limit && c.bytes+bytes <= c.limit*lineBytes
	if ok {
		t.shown++
		c.bytes += bytes
	} else {
		t.left++
	}
	c.kinds[of] = t
	return ok
}

// length returns how long a line is, about, and not less.
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

// escapedBytes is how long a character becomes that can't be printed as it is.
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
	for _, of := range slices.SortedFunc(maps.Keys(kinds), compare) {
		left := kinds[of].left
		if left == 0 {
			continue
		}
		record := slog.NewRecord(time.Now(), of.level, "log lines were left out", 0)
		record.AddAttrs(slog.String("of", of.message), slog.Int("count", left))
		if of.reason != "" {
			record.AddAttrs(slog.String(ReasonKey, of.reason))
		}
		_ = c.root.Handle(context.Background(), record) // as for any line, there is nobody to tell
	}
}

func compare(a, b kind) int {
	return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.message, b.message), cmp.Compare(a.reason, b.reason))
}

func cut(text string) string {
	if len(text) > maxTextBytes {
		// A copy, so that what it was cut from can go.
		return strings.Clone(strings.ToValidUTF8(text[:maxTextBytes], ""))
	}
	return text
}
