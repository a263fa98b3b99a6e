// Command crosscheck type-checks the packages of modules, with their tests, for other platforms, from
// the sources of all that they import.
//
//	crosscheck PLATFORMS MODULE...
//
// PLATFORMS are words like linux-arm64, in one argument, and a MODULE is its folder. To compile the
// same takes ten times as long.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: crosscheck PLATFORMS MODULE...")
		os.Exit(2)
	}
	failed := false
	for platform := range strings.FieldsSeq(os.Args[1]) {
		for _, module := range os.Args[2:] {
			checked, err := check(ctx, platform, module)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s, module %s: %v\n", platform, module, err)
				failed = true
				continue
			}
			fmt.Printf("%s, module %s: %d packages\n", platform, module, checked)
		}
	}
	if failed {
		os.Exit(1)
	}
}
