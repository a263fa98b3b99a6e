// Command scopegate takes symbol scopes from language tracers over gRPC and
// forwards them, as batches of gzipped JSON, to an intake.
//
// Start with `scopegate --help`, or with `scopegate demo`, which shows the whole
// way on its own symbols. The subcommands are thin: programs that serve, upload
// or read symbols themselves use packages server, client and client/gosym.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "unknown"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on they have their usual effect again: a second one
	// ends the process.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)
	stop()
	os.Exit(code)
}
