package server

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// noiseInterval is the time between two lines of noise with the same message.
const noiseInterval = time.Second

// noise logs what may happen as often as strangers like: of each message one line a
// second, with as much of its texts as clip leaves, and the number of those that were
// not logged. It is safe for concurrent use.
type noise struct {
	logger *slog.Logger

	mu    sync.Mutex
	lines map[noiseKind]*noiseLine // their messages are of a fixed set
}

type noiseKind struct {
	level   slog.Level
	message string
}

// noiseLine is what is known of a kind.
type noiseLine struct {
	next     time.Time // when it may be logged again
	unlogged int
}

func newNoise(logger *slog.Logger) *noise {
	return &noise{logger: logger, lines: map[noiseKind]*noiseLine{}}
}

// log writes a line, or counts it.
func (n *noise) log(level slog.Level, message string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !n.logger.Enabled(ctx, level) {
		return
	}
	unlogged, ok := n.take(noiseKind{level, message}, time.Now())
	if !ok {
		return
	}
	for i, attr := range attrs {
		if attr.Value.Kind() == slog.KindString {
			attrs[i].Value = slog.StringValue(clip(attr.Value.String()))
		}
	}
	n.logger.LogAttrs(ctx, level, message, append(attrs, slog.Int("unlogged", unlogged))...)
}

// take tells whether a line of that kind may be logged, and how many were not since the
// last one that was.
func (n *noise) take(kind noiseKind, now time.Time) (unlogged int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := n.lines[kind]
	if line == nil {
		line = &noiseLine{}
		n.lines[kind] = line
	}
	if now.Before(line.next) {
		line.unlogged++
		return 0, false
	}
	unlogged, line.unlogged = line.unlogged, 0
	line.next = now.Add(noiseInterval)
	return unlogged, true
}

// clipBytes is how much of what a client can choose is shown in a log line or a span.
const clipBytes = 256

// clip shortens s, which may be a client's, to what is shown of it: so much that a log
// line grows by clipBytes, in which what can't be printed takes several times its bytes.
func clip(s string) string {
	const escapedBytes = 6 // such as \u0001 and \ufffd
	left := clipBytes
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			left -= 2
		case r == utf8.RuneError || !unicode.IsPrint(r):
			left -= escapedBytes * max(1, utf8.RuneLen(r)/2)
		default:
			left -= utf8.RuneLen(r)
		}
		if left < 0 {
			return strings.ToValidUTF8(s[:i], "") + "…"
		}
	}
	return s
}
