package client

import (
	"fmt"
	"time"
)

// WhenFull is what [Uploader.Add] does if there is no room for a scope.
type WhenFull int

const (
	// Block waits for room until Add's context is done.
	Block WhenFull = iota
	// DropNewest drops the scope and counts it.
	DropNewest
)

// Defaults of [UploaderOptions].
const (
	DefaultThresholdBytes = 1 << 20
	DefaultThresholdAge   = 30 * time.Second
	DefaultMaxHeldBytes   = 8 << 20
	DefaultAttemptTimeout = 6 * time.Minute
)

// UploaderOptions are the settings of an [Uploader]. The zero value of a field means its
// default.
type UploaderOptions struct {
	// ThresholdBytes is the size of a batch in bytes of protobuf: it has as many scopes
	// as fit, and at least one. Default 1 MiB. The Uploader lowers it if a server refuses
	// a batch as too large.
	ThresholdBytes int
	// ThresholdAge is how long a scope waits for its batch to fill before the batch is
	// sent. Default 30 s. The newest scope is always held back for the final batch.
	ThresholdAge time.Duration
	// MaxHeldBytes limits the scopes that are not yet accepted, in bytes of protobuf and
	// 64 bytes for each scope. Default 8 MiB; at least twice [WithMaxMessageBytes], and
	// 128 bytes.
	MaxHeldBytes int
	// WhenFull is what happens to scopes beyond that. Default [Block].
	WhenFull WhenFull
	// AttemptTimeout is how long one attempt to send a batch may take before it is
	// aborted and repeated. Default 6 minutes: a server by default retries for 5.
	AttemptTimeout time.Duration
	// OnRefused, if not nil, is called for each scope that the server refuses. The
	// Uploader's own goroutine waits for it.
	OnRefused func(RefusedScope)
}

// RefusedScope is a scope that an [Uploader] left out because the server refused it, or
// because it is too large for a batch.
type RefusedScope struct {
	// ScopeType and Name are from the root scope.
	ScopeType, Name string
	// Err is the server's answer, an [*Error]. The indexes in its field violations count
	// the scopes of one stream.
	Err error
}

func (o UploaderOptions) withDefaults(maxMessageBytes int) (UploaderOptions, error) {
	if o.ThresholdBytes == 0 {
		o.ThresholdBytes = DefaultThresholdBytes
	}
	if o.ThresholdAge == 0 {
		o.ThresholdAge = DefaultThresholdAge
	}
	if o.MaxHeldBytes == 0 {
		o.MaxHeldBytes = max(DefaultMaxHeldBytes, 2*(maxMessageBytes+upkeepBytes))
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = DefaultAttemptTimeout
	}
	if o.OnRefused == nil {
		o.OnRefused = func(RefusedScope) {}
	}
	least := 2 * (maxMessageBytes + upkeepBytes)
	switch {
	case o.ThresholdBytes < 0:
		return o, fmt.Errorf("uploader options: ThresholdBytes is %d", o.ThresholdBytes)
	case o.ThresholdAge < 0:
		return o, fmt.Errorf("uploader options: ThresholdAge is %v", o.ThresholdAge)
	case o.AttemptTimeout < 0:
		return o, fmt.Errorf("uploader options: AttemptTimeout is %v", o.AttemptTimeout)
	case o.MaxHeldBytes < least:
		return o, fmt.Errorf("uploader options: MaxHeldBytes is %d; two messages of %d bytes take %d",
			o.MaxHeldBytes, maxMessageBytes, least)
	case o.WhenFull != Block && o.WhenFull != DropNewest:
		return o, fmt.Errorf("uploader options: WhenFull is %d", o.WhenFull)
	}
	return o, nil
}

// UploaderStats counts the scopes of an [Uploader]. Each part of a split scope counts.
// Added is the sum of Accepted, Refused, Dropped and Held.
type UploaderStats struct {
	// Added is how many scopes were added, including dropped ones.
	Added int64
	// Accepted is how many the intake has accepted.
	Accepted int64
	// Refused is how many were left out, see [RefusedScope].
	Refused int64
	// Dropped is how many found no room, or were held when the upload ended: after a
	// permanent failure, by Abandon, or because Close timed out. Some of the latter may
	// have been accepted if an answer was lost.
	Dropped int64
	// Held is how many are not yet accepted.
	Held int64
	// HeldBytes is the size of held scopes and scopes being added, counted as for
	// MaxHeldBytes.
	HeldBytes int
	// BatchCount is how many batches are accepted.
	BatchCount int32
	// FailureCount is how many attempts to send a batch failed.
	FailureCount int64
}
