package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// lastGrace is how long the command may take to end behind the grace of uploads:
// to give these back, and to write the last traces and log lines.
const lastGrace = 4800 * time.Millisecond

// exitIfStuck ends the process when ctx has been over for that long and the function
// returned was not called. It is for what can't be interrupted, such as a write to a
// log that nobody reads.
func exitIfStuck(ctx context.Context, after time.Duration, stderr io.Writer) (ended func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-done:
			return
		case <-timer.C:
		}
		told := make(chan struct{})
		go func() {
			defer close(told)
			fmt.Fprintln(stderr, "scopegate serve: something hangs; exiting without waiting for it")
		}()
		select {
		case <-told:
		case <-time.After(100 * time.Millisecond):
		}
		os.Exit(exitFailure)
	}()
	return func() { close(done) }
}
