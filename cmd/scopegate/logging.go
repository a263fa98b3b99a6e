package main

import (
	"io"
	"log/slog"
)

// logFlags are the flags of commands that log.
//
//nolint:lll // a struct tag can't be broken
type logFlags struct {
	Level  slog.Level `name:"log-level" group:"Logging" default:"info" placeholder:"LEVEL" env:"SCOPEGATE_LOG_LEVEL" help:"Least level that is logged, to stderr: debug, info, warn or error."`
	Format string     `name:"log-format" group:"Logging" default:"text" enum:"text,json" placeholder:"FORMAT" env:"SCOPEGATE_LOG_FORMAT" help:"Form of a log line: text or json."`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: f.Level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
