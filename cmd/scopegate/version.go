package main

import (
	"fmt"
	"runtime"
)

type versionCommand struct{}

// Run prints the version of the command and what it was built with and for.
func (versionCommand) Run(s *surroundings) error {
	_, err := fmt.Fprintf(s.stdout, "scopegate %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
