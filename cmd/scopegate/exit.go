package main

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
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

// exitCode classifies what a command returned. ctx is the command's own, which
// ends by a signal alone.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case isType[*settings.UsageError](err):
		return exitUsage
	case errors.Is(err, client.ErrUpload), errors.Is(err, context.DeadlineExceeded):
		return exitDelivery
	case isInput(err):
		return exitInput
	}
	return exitFailure
}

func isInput(err error) bool {
	if isType[*uploading.InputError](err) || isType[*client.ScopeTooLargeError](err) {
		return true
	}
	refusal, ok := errors.AsType[*client.Error](err)
	return ok && (refusal.Code() == codes.InvalidArgument || refusal.Code() == codes.ResourceExhausted ||
		refusal.Reason() == uploading.ReasonUnsplittable)
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
