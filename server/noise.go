package server

import (
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
	lines map[string]*noiseLine // by messages, which are of a fixed set
}

// noiseLine is what is known of a message.
type noiseLine struct {
	next     time.Time // when it may be logged again
	unlogged int
}

func newNoise(logger *slog.Logger) *noise {
	return &noise{logger: logger, lines: map[string]*noiseLine{}}
}

// debug writes a line of that level, or counts it.
func (n *noise) debug(message string, attrs ...slog.Attr) { n.log(n.logger.Debug, message, attrs) }

// info writes a line of that level, or counts it.
func (n *noise) info(message string, attrs ...slog.Attr) { n.log(n.logger.Info, message, attrs) }

// warn writes a line of that level, or counts it.
func (n *noise) warn(message string, attrs ...slog.Attr) { n.log(n.logger.Warn, message, attrs) }

func (n *noise) log(write func(message string, attrs ...any), message string, attrs []slog.Attr) {
	unlogged, ok := n.take(message, time.Now())
	if !ok {
		return
	}
	clipped := make([]any, 0, len(attrs)+1)
	for _, attr := range attrs {
		if attr.Value.Kind() == slog.KindString {
			attr.Value = slog.StringValue(clip(attr.Value.String()))
		}
		clipped = append(clipped, attr)
	}
	write(message, append(clipped, slog.Int("unlogged", unlogged))...)
}

// take tells whether the message may be logged, and how many were not since the last
// one that was.
func (n *noise) take(message string, now time.Time) (unlogged int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := n.lines[message]
	if line == nil {
		line = &noiseLine{}
		n.lines[message] = line
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
