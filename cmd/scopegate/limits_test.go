package main

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// TestConnectionsAgainstFiles: the limit of connections leaves some open files for health
// checks and intakes.
func TestConnectionsAgainstFiles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		asked int
		files uint64
		want  int
	}{
		{10_000, math.MaxInt64, 10_000},
		{10_000, 10_512, 10_000},
		{10_000, 10_511, 9_999},
		{10_000, 2048, 1536},
		{10_000, 1024, 512},
		{500, 1024, 500},
		{10_000, 100, 50},
		{0, 1024, 0},
		{-1, 0, -1},
	} {
		var log bytes.Buffer
		f := limitFlags{MaxConnections: test.asked}
		s := settings.Setting{Name: "max-connections", Value: "as it was", Source: settings.FromDefault}
		f.limitConnections(t.Context(), test.files, &s, slog.New(slog.NewTextHandler(&log, nil)))
		lowered := test.want != test.asked
		if f.MaxConnections != test.want || (s.Source == "RLIMIT_NOFILE") != lowered || strings.Contains(log.String(), "level=WARN") != lowered {
			t.Errorf("%+v: %d connections, %+v, log: %s, want MaxConnections %v, %v and %v", test, f.MaxConnections, s, log.String(), test.want, lowered, lowered)
		}
	}
}
