package client

import (
	"errors"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// RetryEvent is a failure after which a client goes on by itself, see
// [WithOnRetry].
type RetryEvent struct {
	// Err is the failure, an [*Error].
	Err error
	// FailureCount is how many streams in a row have brought nothing further, this
	// failure included; 0 where scopes of the failed stream are accepted.
	FailureCount int
	// Wait is how long the client waits now. A waiting [Uploader] that is closed
	// cuts it short, though never what the server asked for.
	Wait time.Duration
	// UploadID is the upload_id of the stream to come.
	UploadID string
	// StartsOver tells that UploadID is new and that the stream to come begins with
	// the first scope, because it is not known what of the failed one is accepted.
	// Never of an [Uploader].
	StartsOver bool
	// AcceptedScopeCount is how many scopes are accepted so far under UploadID. A
	// scope that was split counts once for each part.
	AcceptedScopeCount int64
	// FirstBatchNum is the number of the first batch of the stream to come.
	FirstBatchNum int32
}

// Progress returns how far the stream came of which e is the failure, or nil
// where that is not known.
func (e *Error) Progress() *symdbv1.UploadProgress {
	return detail[*symdbv1.UploadProgress](e.status)
}

// MaxRetryDelay is the longest that a server can have its clients wait before the
// next attempt. A scopegate server asks for a minute at most.
const MaxRetryDelay = 5 * time.Minute

// RetryDelay returns how long the server asks its clients to wait before the next
// attempt, at most [MaxRetryDelay], and whether it does.
func (e *Error) RetryDelay() (time.Duration, bool) {
	asked := detail[*errdetails.RetryInfo](e.status)
	if asked == nil {
		return 0, false
	}
	return min(max(0, asked.GetRetryDelay().AsDuration()), MaxRetryDelay), true
}

// outlook is what another attempt promises.
type outlook int

const (
	// permanent failures come back each time.
	permanent outlook = iota
	// transient failures pass, if nobody knows when.
	transient
	// doubtful failures carry nothing of the server's: a proxy or the connection
	// may have failed, or the server in a way that it will each time.
	doubtful
)

const reasonOverloaded = "OVERLOADED"

func (e *Error) outlook() outlook {
	if !errors.Is(e, ErrUpload) {
		return permanent
	}
	switch e.Code() {
	case codes.Unavailable:
		return transient
	case codes.ResourceExhausted:
		if _, asked := e.RetryDelay(); asked || e.Reason() == reasonOverloaded {
			return transient
		}
		return permanent
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
