package main

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
)

// Exit codes, which scripts rely on; `scopegate --help` says what they mean.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitInput       = 3
	exitDelivery    = 4
	exitInterrupted = 130
)

// usageError is a wrong flag, variable or combination of them.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// inputError is a file that is not what it should be, or can't be read.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

// reasonUnsplittable is the server's for a scope that no intake takes.
const reasonUnsplittable = "SCOPE_UNSPLITTABLE"

// exitCode classifies what a command returned. ctx is the command's own, which
// ends by a signal alone.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case isType[*usageError](err):
		return exitUsage
	case errors.Is(err, client.ErrUpload), errors.Is(err, context.DeadlineExceeded):
		return exitDelivery
	case isInput(err):
		return exitInput
	}
	return exitFailure
}

func isInput(err error) bool {
	if isType[*inputError](err) || isType[*client.ScopeTooLargeError](err) {
		return true
	}
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && (refusal.Code() == codes.InvalidArgument || refusal.Code() == codes.ResourceExhausted ||
		refusal.Reason() == reasonUnsplittable)
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
