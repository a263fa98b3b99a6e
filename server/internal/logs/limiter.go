// Package logs limits log lines that strangers can cause.
package logs

import (
	"log/slog"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/text"
)

// interval is the time between two lines with the same message.
const interval = time.Second

// Limiter logs at most one line a second of each message, with long strings shortened and
// the number of omitted lines. It is safe for concurrent use.
type Limiter struct {
	logger *slog.Logger

	mu     sync.Mutex
	states map[string]*state // by message, of which there are few
}

// state is the state of one message.
type state struct {
	next     time.Time // when it may be logged again
	unlogged int
}

// NewLimiter returns a limiter that writes to logger.
func NewLimiter(logger *slog.Logger) *Limiter {
	return &Limiter{logger: logger, states: map[string]*state{}}
}

// Debug logs at that level, or counts the line.
func (l *Limiter) Debug(message string, attrs ...slog.Attr) { l.log(l.logger.Debug, message, attrs) }

// Info logs at that level, or counts the line.
func (l *Limiter) Info(message string, attrs ...slog.Attr) { l.log(l.logger.Info, message, attrs) }

// Warn logs at that level, or counts the line.
func (l *Limiter) Warn(message string, attrs ...slog.Attr) { l.log(l.logger.Warn, message, attrs) }

func (l *Limiter) log(write func(message string, attrs ...any), message string, attrs []slog.Attr) {
	unlogged, ok := l.allow(message, time.Now())
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

// allow reports whether the message may be logged now, and how many were omitted since
// the last one logged.
func (l *Limiter) allow(message string, now time.Time) (unlogged int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.states[message]
	if s == nil {
		s = &state{}
		l.states[message] = s
	}
	if now.Before(s.next) {
		s.unlogged++
		return 0, false
	}
	unlogged, s.unlogged = s.unlogged, 0
	s.next = now.Add(interval)
	return unlogged, true
}
