// Command scopegate receives the scopes of programs (packages, classes and functions, with
// their symbols) from tracers over gRPC, and forwards them to an HTTP intake, in batches of
// gzipped JSON.
//
// Start with `scopegate --help`, or with `scopegate demo`, which uploads its own symbols.
// The subcommands are thin: programs that serve, upload or read symbols themselves use
// packages server, client and client/gosym.
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
	// Otherwise a write to stdout or stderr kills the process once the reader has gone.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		// A second signal then kills the process.
		signal.Stop(signals)
		cancel()
	}()
	log.SetOutput(unsolicited{os.Stderr})
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv, os.Environ()...))
}

// unsolicited drops the lines in which net/http quotes responses that nobody requested.
// They may contain anything, even an API key that the intake sends back.
type unsolicited struct{ w io.Writer }

func (u unsolicited) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("Unsolicited response")) {
		return len(line), nil
	}
	return u.w.Write(line)
}
