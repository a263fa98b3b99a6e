package main

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
)

// logStart writes what starts, and with which settings that are not the defaults.
func logStart(ctx context.Context, all []setting, logger *slog.Logger) {
	var changed []slog.Attr
	for _, s := range all {
		if s.source != fromDefault {
			changed = append(changed, slog.String(strings.ReplaceAll(s.name, "-", "_"), s.value))
		}
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "starting",
		slog.String("version", thisBuild().version), slog.String("go", runtime.Version()),
		slog.Int("cores", runtime.GOMAXPROCS(0)), slog.GroupAttrs("settings", changed...))
}
