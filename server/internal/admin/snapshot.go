package admin

import (
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// Snapshot is the state of the server at one moment. Its strings are not trusted.
type Snapshot struct {
	Taken  time.Time
	Server Server
	Memory Memory
	Intake Intake
	// Uploads are the streams in flight to show, in that order. UploadCount counts all.
	Uploads     []Upload
	UploadCount int
	// Finished are the last streams that ended, newest first.
	Finished []Finished
	// Refused is the last refusal for lack of room.
	Refused Refusal
	// History are samples of equal length, newest last.
	History []Sample
	// InvalidTenants and InvalidTLS say what is wrong with the files that the server could
	// not reload; empty if nothing is.
	InvalidTenants, InvalidTLS string
}

// Server describes the server itself.
type Server struct {
	Version string
	Started time.Time
	// Stopping means that new uploads are refused.
	Stopping bool
}

// Memory is the state of the memory budget.
type Memory struct {
	LimitBytes, DrawnBytes, PeakBytes int64
	// Waiting is the number of uploads that wait for memory.
	Waiting int
	// Short means that uploads are being moved out of memory.
	Short bool
	// Refusing means that new uploads are refused for lack of memory.
	Refusing bool
	// SpoolBytes are on disk. SpoolLimitBytes is 0 without a spool.
	SpoolBytes, SpoolLimitBytes int64
	// SpoolFailedAt and SpoolError are the last failure of the spool, if there was one.
	SpoolFailedAt time.Time
	SpoolError    string
}

// Intake is the state of the intake.
type Intake struct {
	// Host is where batches go, without secrets.
	Host string
	// State is [intake.Up] if empty.
	State intake.Health
	// Posting is the number of batches being posted.
	Posting int
	// SilentSince is the time since which batches are being posted without any answer; zero if
	// none is being posted.
	SilentSince time.Time
	// RetryAt is when the next attempt may start; zero if one may start now.
	RetryAt time.Time
	// FailingSince and FailedInRow describe the latest attempts, if they failed because of the
	// intake. RefusingSince and RefusedInRow describe them if it refused the batches
	// for good, as with an invalid key.
	FailingSince  time.Time
	FailedInRow   int64
	RefusingSince time.Time
	RefusedInRow  int64
	// Attempts are the outcomes since the start, most frequent first.
	Attempts []Outcome
	// Latency covers the last attempts that were answered.
	Latency Latency
	// Failures are the last failed attempts, newest first. Consecutive equal ones count as
	// one.
	Failures []Failure
}

// Outcome counts the attempts that ended in one way.
type Outcome struct {
	Class intake.Class
	Good  bool // accepted
	Count int64
}

// Latency is how long attempts took.
type Latency struct {
	Median, P90, Max time.Duration
	// Count is the number of attempts.
	Count int
}

// Failure is a failed attempt, or several equal ones. All but Since and Count describe
// the last.
type Failure struct {
	At, Since  time.Time
	Count      int64
	Class      intake.Class
	HTTPStatus int // 0 if there was no answer
	Reason     string
	BatchNum   int32
	Took       time.Duration
}

// Label is what the client says about its upload, and its tenant if there are tenants.
type Label struct {
	UploadID, Service, Version, Language string
	Tenant                               string
}

// Upload is a stream in flight.
type Upload struct {
	Label
	Began time.Time
	State string
	// Stuck means that it waits for something other than its client.
	Stuck bool
	// ReceivedBytes are protobuf.
	Scopes, ReceivedBytes, JSONBytes, GzipBytes int64
	// HeldBytes are in memory.
	HeldBytes int64
	// BatchNum is the number of the open batch.
	BatchNum, AcceptedBatches int32
}

// Finished is a stream that has ended.
type Finished struct {
	Label
	Ended time.Time
	Took  time.Duration
	// Code and Reason were sent to the client. Reason is empty if all went well.
	Code, Reason string
	// Detail was not sent to the client.
	Detail                 string
	Good                   bool
	Scopes, AcceptedScopes int64
	JSONBytes, GzipBytes   int64
	Batches                int32
}

// Refusal is the last upload that was refused because a limit was reached.
type Refusal struct {
	// At is zero if there was none. Detail names the limit.
	At     time.Time
	Detail string
	// AllAt is when the limit was last one of all uploads, not of a service or tenant.
	AllAt time.Time
}

// Sample is what happened in one interval.
type Sample struct {
	Length time.Duration
	// ReceivedBytes are protobuf, AcceptedBytes gzip.
	Scopes, ReceivedBytes, JSONBytes, AcceptedBytes int64
	// AcceptedAttempts and FailedAttempts are POSTs to the intake.
	AcceptedAttempts, FailedAttempts int64
	// DrawnBytes and Uploads are values at the end of the interval.
	DrawnBytes int64
	Uploads    int
	// SlowestAttempt is 0 if none ended in the interval.
	SlowestAttempt time.Duration
}
