package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and commit are set by the linker in `make build`.
var version, commit string

// build is the version and commit of the running command.
type build struct{ version, commit string }

// thisBuild returns the values set by the linker. If it has set none, as with
// `go install`, it returns those that Go itself records.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(version, commit, info)
}

func buildOf(version, commit string, info *debug.BuildInfo) build {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = cmp.Or(commit, s.Value)
		}
	}
	return build{
		version: cmp.Or(version, info.Main.Version, "unknown"),
		commit:  cmp.Or(commit, "unknown"),
	}
}

type versionCommand struct{}

// Run prints the version, the commit, the Go version and the platform.
func (versionCommand) Run(s *surroundings) error {
	b := thisBuild()
	_, err := fmt.Fprintf(s.stdout, "scopegate %s\ncommit    %s\ngo        %s\nplatform  %s/%s\n",
		b.version, b.commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
