package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/server"
)

// Exit codes. Scripts rely on them; `scopegate --help` explains them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInput       = 3
	exitDelivery    = 4
	exitInterrupted = 130
)

// exitCode returns the exit code for a command's error. ctx is the command's own, which
// only a signal cancels.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case isType[*settings.UsageError](err), isType[*compareError](err):
		return exitUsage
	case client.IsRetryable(err), errors.Is(err, context.DeadlineExceeded):
		return exitDelivery
	case isInput(err):
		return exitInput
	}
	return exitFailure
}

// interruptedError is the error of a command that a signal has interrupted.
type interruptedError struct{ err error }

func (e *interruptedError) Error() string {
	return strings.ReplaceAll(e.err.Error(), context.Canceled.Error(), "interrupted")
}
func (e *interruptedError) Unwrap() error { return e.err }

func isInput(err error) bool {
	if isType[*uploading.InputError](err) || isType[*client.ScopeTooLargeError](err) {
		return true
	}
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && (refusal.Code() == codes.InvalidArgument || refusal.Code() == codes.ResourceExhausted ||
		refusal.Reason() == client.ReasonScopeUnsplittable)
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

const (
	// lastGrace is how long the command may take to end after the grace period of
	// uploads: the server ends the remaining ones, and the last traces and log lines are
	// written. With exitTime, it is less than the 5 seconds that docs/deployment.md
	// promises.
	lastGrace = server.ShutdownOverrun + 300*time.Millisecond
	// exitTime is how long exitIfStuck may take to write its message.
	exitTime = 100 * time.Millisecond
)

// exitIfStuck exits the process if ended is not called within the given time after ctx is
// done. Some calls can't be interrupted, such as a write to a log that nobody reads.
func exitIfStuck(ctx context.Context, after time.Duration, stderr io.Writer) (ended func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		select {
		case <-done:
			return
		case <-time.After(after):
		}
		written := make(chan struct{})
		go func() {
			defer close(written)
			fmt.Fprintln(stderr, "scopegate serve: shutdown is stuck; exiting")
		}()
		select {
		case <-written:
		case <-time.After(exitTime):
		}
		os.Exit(exitFailure)
	}()
	return func() { close(done) }
}
