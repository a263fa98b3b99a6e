package main

import (
	"context"
	"log/slog"
	"runtime"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// logStart writes what starts, and with which settings that are not the defaults.
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
