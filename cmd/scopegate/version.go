package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version and commit are set by the linker in what `make build` makes.
var version, commit string

const unknownBuild = "unknown"

// build is what the running command was built from.
type build struct{ version, commit string }

// thisBuild takes what the linker has set, and where it has not, as with
// `go install`, what Go itself knows.
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
		version: cmp.Or(version, info.Main.Version, unknownBuild),
		commit:  cmp.Or(commit, unknownBuild),
	}
}

type versionCommand struct{}

// Run prints the version of the command and what it was built from, with and for.
func (versionCommand) Run(s *surroundings) error {
	b := thisBuild()
	_, err := fmt.Fprintf(s.stdout, "scopegate %s\ncommit    %s\ngo        %s\nplatform  %s/%s\n",
		b.version, b.commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
