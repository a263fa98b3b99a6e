package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildOf(t *testing.T) {
	t.Parallel()
	installed := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}
	cloned := &debug.BuildInfo{
		Main:     debug.Module{Version: "(devel)"},
		Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}},
	}
	for name, test := range map[string]struct {
		version, commit string
		info            *debug.BuildInfo
		want            build
	}{
		"by make":          {"v2", "def", cloned, build{"v2", "def"}},
		"by go install":    {"", "", installed, build{"v1.2.3", "unknown"}},
		"by go build":      {"", "", cloned, build{"(devel)", "abc"}},
		"without anything": {"", "", &debug.BuildInfo{}, build{"unknown", "unknown"}},
	} {
		if got := buildOf(test.version, test.commit, test.info); got != test.want {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
}
