package gosym

import (
	"debug/buildinfo"
	"runtime/debug"
	"testing"
)

func TestTheLongestModulePathOwnsAPackage(t *testing.T) {
	t.Parallel()
	app := newModule("app", &buildinfo.BuildInfo{
		Main: debug.Module{Path: "example.com/app"},
		Deps: []*debug.Module{{Path: "example.com/app/api"}, {Path: "example.com/app/v2"}, {Path: "example.com"}, {Path: "example.com/app_test/deep"}},
	})
	v2 := newModule("app", &buildinfo.BuildInfo{
		Main: debug.Module{Path: "example.com/app/v2"},
		Deps: []*debug.Module{{Path: "example.com/app"}},
	})
	command := newModule("compile", &buildinfo.BuildInfo{Path: "cmd/compile"})
	none := newModule("app", nil)
	tests := []struct {
		module module
		pkg    string
		want   bool
	}{
		{app, "main", true},
		{app, "example.com/app", true},
		{app, "example.com/app/internal", true},
		{app, "example.com/app_test", true},
		{app, "example.com/app/apis", true},
		{app, "example.com/app/api", false},
		{app, "example.com/app/api/v1", false},
		{app, "example.com/app/v2/internal", false},
		{app, "example.com/application", false},
		{app, "example.com/other", false},
		{app, "example.com/app_test/deep", false},
		{v2, "example.com/app/v2/internal", true},
		{v2, "example.com/app/internal", false},
		{command, "cmd/compile/internal/ssa", true},
		{command, "cmd/internal/obj", false},
		{none, "main", true},
		{none, "example.com/app", false},
	}
	for _, tt := range tests {
		if got := tt.module.owns(tt.pkg); got != tt.want {
			t.Errorf("%s owns %s: %v, want %v", tt.module.path, tt.pkg, got, tt.want)
		}
	}
}
