package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/sampling"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// logFlags are the flags of commands that log.
//
//nolint:lll // a struct tag can't be broken
type logFlags struct {
	Level  logLevel `name:"log-level" group:"Logging" default:"info" placeholder:"LEVEL" env:"SCOPEGATE_LOG_LEVEL" help:"Lowest level to log to stderr: debug, info, warn or error."`
	Format string   `name:"log-format" group:"Logging" default:"text" enum:"text,json" placeholder:"FORMAT" env:"SCOPEGATE_LOG_FORMAT" help:"Format of log lines: text or json."`
	Limit  int      `name:"log-limit" group:"Logging" default:"100" placeholder:"N" env:"SCOPEGATE_LOG_LIMIT" help:"Maximum lines a second with the same level, message and reason. All lines together may take 640 bytes a second times this number. 0: no limit."`
}

// logLevel is the value of the flag for the level.
type logLevel slog.Level

// String returns the level's name.
func (l logLevel) String() string { return slog.Level(l).String() }

// UnmarshalText reads a level's name, in any case, with or without an offset such as
// info+2.
func (l *logLevel) UnmarshalText(text []byte) error {
	if (*slog.Level)(l).UnmarshalText(text) != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}

// logger returns a logger. flush must be called after the last line.
func (f logFlags) logger(w io.Writer) (logger *slog.Logger, flush func()) {
	handler := f.handler(w)
	if out, ok := w.(*output); ok {
		out.note = func(lines int) []byte {
			var note bytes.Buffer
			slog.New(f.handler(&note)).Error("log lines lost: the output was blocked", "count", lines)
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

// logStart logs the version and the settings that differ from the defaults.
func logStart(ctx context.Context, all settings.List, logger *slog.Logger) {
	var changed []slog.Attr
	for _, s := range all {
		if s.Source != settings.FromDefault {
			changed = append(changed, slog.String(strings.ReplaceAll(s.Name, "-", "_"), s.Value))
		}
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "starting",
		slog.String("version", thisBuild().version), slog.String("go", runtime.Version()),
		slog.Int("cores", runtime.GOMAXPROCS(0)), slog.GroupAttrs("settings", changed...))
}
