// Package logs keeps the log short where strangers decide how often something happens.
package logs

import (
	"log/slog"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/text"
)

// interval is the time between two lines with the same message.
const interval = time.Second

// Limiter logs one line a second of each message, with the beginnings of its texts and
// the number of lines that were left out. It is safe for concurrent use.
type Limiter struct {
	logger *slog.Logger

	mu    sync.Mutex
	lines map[string]*line // by message; there are few
}

// line is what is known of a message.
type line struct {
	next     time.Time // when it may be logged again
	unlogged int
}

// NewLimiter returns a limiter that writes to logger.
func NewLimiter(logger *slog.Logger) *Limiter {
	return &Limiter{logger: logger, lines: map[string]*line{}}
}

// Debug writes a line of that level, or counts it.
func (l *Limiter) Debug(message string, attrs ...slog.Attr) { l.log(l.logger.Debug, message, attrs) }

// Info writes a line of that level, or counts it.
func (l *Limiter) Info(message string, attrs ...slog.Attr) { l.log(l.logger.Info, message, attrs) }

// Warn writes a line of that level, or counts it.
func (l *Limiter) Warn(message string, attrs ...slog.Attr) { l.log(l.logger.Warn, message, attrs) }

func (l *Limiter) log(write func(message string, attrs ...any), message string, attrs []slog.Attr) {
	unlogged, ok := l.take(message, time.Now())
	if !ok {
		return
	}
	clipped := make([]any, 0, len(attrs)+1)
	for _, attr := range attrs {
		if attr.Value.Kind() == slog.KindString {
			attr.Value = slog.StringValue(text.Clip(attr.Value.String()))
		}
		clipped = append(clipped, attr)
	}
	write(message, append(clipped, slog.Int("unlogged", unlogged))...)
}

// take reports whether the message may be logged now, and how many were not since the
// last one that was.
func (l *Limiter) take(message string, now time.Time) (unlogged int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.lines[message]
	if of == nil {
		of = &line{}
		l.lines[message] = of
	}
	if now.Before(of.next) {
		of.unlogged++
		return 0, false
	}
	unlogged, of.unlogged = of.unlogged, 0
	of.next = now.Add(interval)
	return unlogged, true
}
