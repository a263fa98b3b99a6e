// Command scopegate takes symbol scopes from language tracers over gRPC and
// forwards them, as batches of gzipped JSON, to an intake.
//
// Start with `scopegate --help`, or with `scopegate demo`, which shows the whole
// way on its own symbols. The subcommands are thin: programs that serve, upload
// or read symbols themselves use packages server, client and client/gosym.
package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	// Without this, a write to stdout or stderr after its reader has gone kills the
	// process.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		// The signals have their usual effect again before anything stops, so that
		// a second one ends the process at once.
		signal.Stop(signals)
		cancel()
	}()
	log.SetOutput(unsolicited{os.Stderr})
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// unsolicited leaves out of the standard log what net/http quotes there of an intake
// that sends what it was not asked for. It may be anything, a key that it was sent
// included.
type unsolicited struct{ to io.Writer }

func (u unsolicited) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("Unsolicited response")) {
		return len(line), nil
	}
	return u.to.Write(line)
}
