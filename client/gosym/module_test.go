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

func TestServiceAndVersion(t *testing.T) {
	t.Parallel()
	of := func(path, main, version string, settings ...debug.BuildSetting) *buildinfo.BuildInfo {
		return &buildinfo.BuildInfo{Path: path, Main: debug.Module{Path: main, Version: version}, Settings: settings}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "abc"}
	for _, tt := range []struct {
		info                       *buildinfo.BuildInfo
		service, version, mainPath string
	}{
		{of("example.com/shop/cmd/cart", "example.com/shop", "v1.2.3"), "shop", "v1.2.3", "example.com/shop/cmd/cart"},
		{of("example.com/shop/v3", "example.com/shop/v3", "(devel)", commit), "shop", "abc", "example.com/shop/v3"},
		{of("example.com/shop/v", "example.com/shop/v", ""), "v", "", "example.com/shop/v"},
		{of("example.com/shop/v2x", "example.com/shop/v2x", ""), "v2x", "", "example.com/shop/v2x"},
		{of("v2", "v2", "v1.0.0", commit), "v2", "v1.0.0", "v2"},
		{of("cmd/compile", "", ""), "compile", "", "cmd/compile"},
		{of(commandLine, "", "", commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "file", "abc+dirty", ""},
		{of(commandLine, "", "", debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "file", "", ""},
		{of(commandLine, "example.com/shop", "", commit, debug.BuildSetting{Key: "vcs.modified", Value: "false"}), "shop", "abc", ""},
		{nil, "file", "", ""},
	} {
		m := newModule("/bin/file.exe", tt.info)
		if m.service != tt.service || m.version != tt.version || m.mainPath != tt.mainPath {
			t.Errorf("%v: service %q, version %q, main %q, want %q, %q, %q",
				tt.info, m.service, m.version, m.mainPath, tt.service, tt.version, tt.mainPath)
		}
	}
}
