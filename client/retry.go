package client

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// RetryEvent is a failure after which a client retries, see [WithOnRetry].
type RetryEvent struct {
	// Err is the failure, an [*Error].
	Err error
	// FailureCount is how many streams in a row made no progress, including this one. It
	// is 0 if scopes of the failed stream were accepted.
	FailureCount int
	// Wait is how long the client will wait. Closing an [Uploader] shortens it, but not
	// below the delay that the server asked for.
	Wait time.Duration
	// UploadID is the upload_id of the next stream.
	UploadID string
	// StartsOver reports whether UploadID is new and the next stream begins with the
	// first scope, because it is unknown which scopes of the failed one were accepted. An
	// [Uploader] never starts over.
	StartsOver bool
	// AcceptedScopeCount is how many scopes are accepted so far under UploadID. Each part
	// of a split scope counts.
	AcceptedScopeCount int64
	// FirstBatchNum is the number of the first batch of the next stream.
	FirstBatchNum int32
}

// Progress returns how much of the failed stream was accepted, or nil if that is unknown.
func (e *Error) Progress() *symdbv1.UploadProgress {
	return detail[*symdbv1.UploadProgress](e.status)
}

// MaxRetryDelay is the longest delay before the next attempt that a client accepts from a
// server. A scopegate server asks for at most a minute.
const MaxRetryDelay = 5 * time.Minute

// RetryDelay returns the delay before the next attempt that the server asked for, at most
// [MaxRetryDelay], and whether it asked for one.
func (e *Error) RetryDelay() (time.Duration, bool) {
	asked := detail[*errdetails.RetryInfo](e.status)
	if asked == nil {
		return 0, false
	}
	return min(max(0, asked.GetRetryDelay().AsDuration()), MaxRetryDelay), true
}

// outlook is whether a failure is expected to recur.
type outlook int

const (
	// permanent failures recur.
	permanent outlook = iota
	// transient failures pass at some time.
	transient
	// doubtful failures may be either: a proxy or the connection failed, or the server
	// did without giving a reason.
	doubtful
)

func (e *Error) outlook() outlook {
	if !errors.Is(e, ErrUpload) {
		return permanent
	}
	switch e.Code() {
	case codes.Unavailable, codes.ResourceExhausted:
		return transient
	case codes.Internal, codes.Unknown, codes.Aborted, codes.DataLoss, codes.Canceled, codes.DeadlineExceeded:
		if e.Reason() == "" && e.IntakeFailure() == nil {
			return doubtful
		}
		return permanent
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated:
		return permanent
	default:
		return permanent
	}
}

// longestBackoff leaves room to add a server's delay.
const longestBackoff = math.MaxInt64 - MaxRetryDelay - 1

// backoffRange is an exponential back-off with full jitter.
type backoffRange struct {
	first, most time.Duration
}

// draw returns how long to wait after a failure. failureCount counts the failures before
// it.
func (b backoffRange) draw(failureCount int) time.Duration {
	limit := min(b.most, longestBackoff)
	if shifted := b.first << min(failureCount, 40); shifted>>min(failureCount, 40) == b.first {
		limit = min(limit, shifted)
	}
	return rand.N(limit + 1) //nolint:gosec // it is not secret
}

// endsBefore reports whether ctx will be done within the wait.
func endsBefore(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= wait
}
