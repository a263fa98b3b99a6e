package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/sampling"
)

// logFlags are the flags of commands that log.
//
//nolint:lll // a struct tag can't be broken
type logFlags struct {
	Level  logLevel `name:"log-level" group:"Logging" default:"info" placeholder:"LEVEL" env:"SCOPEGATE_LOG_LEVEL" help:"Least level that is logged, to stderr: debug, info, warn or error."`
	Format string   `name:"log-format" group:"Logging" default:"text" enum:"text,json" placeholder:"FORMAT" env:"SCOPEGATE_LOG_FORMAT" help:"Form of a log line: text or json."`
	Limit  int      `name:"log-limit" group:"Logging" default:"100" placeholder:"N" env:"SCOPEGATE_LOG_LIMIT" help:"Most lines a second of the same level, message and reason, and of all lines as many bytes as so many of 640; other lines say how many were left out. 0: all."`
}

// logLevel is a level, as a flag takes it.
type logLevel slog.Level

// String returns the level's name.
func (l logLevel) String() string { return slog.Level(l).String() }

// UnmarshalText reads a level's name, in any case, or one with an offset such as
// info+2.
func (l *logLevel) UnmarshalText(text []byte) error {
	if (*slog.Level)(l).UnmarshalText(text) != nil {
		return errors.New("none of debug, info, warn, error")
	}
	return nil
}

// logger returns a logger, and what is to be called when nothing is logged any
// more.
func (f logFlags) logger(w io.Writer) (logger *slog.Logger, flush func()) {
	handler := f.handler(w)
	if out, ok := w.(*output); ok {
		out.note = func(lines int) []byte {
			var note bytes.Buffer
			slog.New(f.handler(&note)).Error("log lines were lost, because nobody read the log", "count", lines)
			return note.Bytes()
		}
	}
	if f.Limit <= 0 {
		return slog.New(handler), func() {}
	}
	sampled := sampling.New(handler, f.Limit)
	return slog.New(sampled), sampled.Flush
}

func (f logFlags) handler(w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: slog.Level(f.Level)}
	if f.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}
