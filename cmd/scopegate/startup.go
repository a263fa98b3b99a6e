package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"
)

// logStart writes what starts, and with which settings that are not the defaults.
func logStart(ctx context.Context, k *kong.Context, logger *slog.Logger) {
	logger.LogAttrs(ctx, slog.LevelInfo, "starting",
		slog.String("version", version), slog.String("go", runtime.Version()), slog.Int("cores", runtime.GOMAXPROCS(0)),
		slog.GroupAttrs("settings", changedSettings(k)...))
}

// changedSettings returns the flags of the command that were set to something else
// than their default, wherever. No flag's value is a secret but in a URL, whose user
// and query are left out.
func changedSettings(k *kong.Context) []slog.Attr {
	var attrs []slog.Attr
	for _, flags := range k.Selected().AllFlags(true) {
		for _, flag := range flags {
			if value := flagText(k.FlagValue(flag)); !isDefault(flag, value) {
				attrs = append(attrs, slog.String(strings.ReplaceAll(flag.Name, "-", "_"), shownSetting(value)))
			}
		}
	}
	return attrs
}

func isDefault(flag *kong.Flag, value string) bool {
	if flag.Default == "" {
		return flag.Target.IsZero() || flag.Target.Kind() == reflect.Slice && flag.Target.Len() == 0
	}
	return strings.EqualFold(value, flag.Default)
}

// flagText returns a value in the form in which a flag takes it.
func flagText(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}

func shownSetting(value string) string {
	parts := strings.Split(value, ",")
	for i, part := range parts {
		if strings.Contains(part, "://") {
			parts[i] = redacted(part)
		}
	}
	return strings.Join(parts, ",")
}
