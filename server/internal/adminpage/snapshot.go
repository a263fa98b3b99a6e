package adminpage

import "time"

// Snapshot is what the server is doing at one time. The strings in it are shown as
// text, shortened and with everything invisible made visible.
type Snapshot struct {
	// Taken is when that was.
	Taken  time.Time
	Server Server
	Memory Memory
	Intake Intake
	// Uploads are those in flight that are worth showing, in that order, and
	// UploadCount is how many there are.
	Uploads     []Upload
	UploadCount int
	// Finished are the last ones that ended, the newest first.
	Finished []Finished
	// History are samples of equal length, the newest last.
	History []Sample
}

// Server is what is known of the server itself.
type Server struct {
	Version string
	Started time.Time
	// Stopping tells that it takes no new uploads any more.
	Stopping bool
}

// Memory is the state of the budget that all uploads draw from.
type Memory struct {
	LimitBytes, DrawnBytes, PeakBytes int64
	// Waiting is how many uploads are stopped until there is room.
	Waiting int
	// Short tells that uploads are squeezed out of memory.
	Short bool
	// Refusing tells that new uploads are refused for want of memory.
	Refusing bool
	// SpoolBytes is what is moved to disk, at most SpoolLimitBytes; that is 0 where
	// there is no spool.
	SpoolBytes, SpoolLimitBytes int64
}

// IntakeState is whether the intake gets batches. How it does with them is another
// matter.
type IntakeState string

const (
	// IntakeOpen tells that batches are sent as they come.
	IntakeOpen IntakeState = "open"
	// IntakeProbed tells that it was found down, and gets a batch from time to time to see
	// whether it is back.
	IntakeProbed IntakeState = "probed"
	// IntakeSpared tells that it has asked to be left alone for a while (Retry-After).
	IntakeSpared IntakeState = "spared"
)

// Intake is how the intake does.
type Intake struct {
	// Host is where batches go, without what may be secret in its URL.
	Host  string
	State IntakeState
	// Posting is how many batches are being posted.
	Posting int
	// RetryAt is when it gets a batch again, where it gets none now; zero: any time.
	RetryAt time.Time
	// FailingSince is when the first of the last attempts failed that have all failed
	// because of the intake; zero: the last one was answered in order.
	FailingSince time.Time
	// FailedInRow is how many those are.
	FailedInRow int64
	// RefusingSince is when the first of the last batches was refused that were all
	// refused for good, as with a key that is not valid; zero: the last one was not.
	RefusingSince time.Time
	// RefusedInRow is how many those are.
	RefusedInRow int64
	// Attempts are the outcomes since the start, the most frequent first.
	Attempts []Outcome
	// Latency is of the last attempts that were answered.
	Latency Latency
	// Failures are the last attempts that failed, the newest first; those that failed
	// alike one after the other are one.
	Failures []Failure
}

// Outcome is how many attempts ended in one way.
type Outcome struct {
	Class string
	Good  bool // the intake has accepted
	Count int64
}

// Latency is how long attempts took.
type Latency struct {
	Median, P90, Max time.Duration
	// Count is of how many attempts.
	Count int
}

// Failure is an attempt that failed, or several that failed alike.
type Failure struct {
	// At is when the last of them did, Since when the first did, and Count how many
	// there are.
	At, Since time.Time
	Count     int64
	// What follows is of the last one.
	Class string
	// HTTPStatus is 0 where there was no answer.
	HTTPStatus int
	Reason     string
	BatchNum   int32
	Took       time.Duration
}

// Label is what a client says of its upload.
type Label struct {
	UploadID, Service, Version, Language string
	// Tenant is who the client has proved to be; empty where nobody is asked.
	Tenant string
}

// Upload is a stream in flight.
type Upload struct {
	Label
	Began time.Time
	State string
	// Stuck tells that it waits for something else than its client.
	Stuck bool
	// Scopes were received, as ReceivedBytes of protobuf; they became JSONBytes, and
	// these GzipBytes.
	Scopes, ReceivedBytes, JSONBytes, GzipBytes int64
	// HeldBytes is what it holds in memory.
	HeldBytes int64
	// BatchNum is the number of the batch that is open, AcceptedBatches how many the
	// intake has accepted.
	BatchNum, AcceptedBatches int32
}

// Finished is a stream that has ended.
type Finished struct {
	Label
	Ended time.Time
	Took  time.Duration
	// Code and Reason are what the client was told; Reason is empty where all went
	// well.
	Code, Reason string
	// Detail is more than the client was told.
	Detail string
	// Good tells that the stream went well.
	Good bool
	// Scopes were received, and AcceptedScopes of them are at the intake.
	Scopes, AcceptedScopes int64
	JSONBytes, GzipBytes   int64
	Batches                int32
}

// Sample is what happened in one interval.
type Sample struct {
	// Length is that of the interval.
	Length time.Duration
	// Scopes and bytes of protobuf received, JSON made, gzip accepted.
	Scopes, ReceivedBytes, JSONBytes, AcceptedBytes int64
	// AcceptedAttempts and FailedAttempts are attempts at posting to the intake.
	AcceptedAttempts, FailedAttempts int64
	// RefusedUploads were refused for want of room.
	RefusedUploads int64
	// DrawnBytes and Uploads are as of the interval's end.
	DrawnBytes int64
	Uploads    int
	// SlowestAttempt is that of those which ended in the interval; 0: none did.
	SlowestAttempt time.Duration
}
