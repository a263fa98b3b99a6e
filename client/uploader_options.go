package client

import (
	"fmt"
	"time"
)

// WhenFull says what [Uploader.Add] does with a scope for which there is no room.
type WhenFull int

const (
	// Block waits for room, as long as Add's context allows.
	Block WhenFull = iota
	// DropNewest drops the scope, and counts it.
	DropNewest
)

// Defaults of [UploaderOptions].
const (
	DefaultThresholdBytes = 1 << 20
	DefaultThresholdAge   = 30 * time.Second
	DefaultMaxHeldBytes   = 8 << 20
	DefaultAttemptTimeout = 6 * time.Minute
)

// UploaderOptions are the settings of an [Uploader]. In each field the zero value
// means the default.
type UploaderOptions struct {
	// ThresholdBytes is how many bytes of protobuf a stream, and with it a batch,
	// carries: as many scopes as fit, and at least one. Default 1 MiB. It becomes
	// lower by itself where a server refuses a batch as too large.
	ThresholdBytes int
	// ThresholdAge is how long a scope waits for a stream to fill up before it
	// is sent all the same. Default 30 s. The newest scope is held back however old
	// it is, so that the last stream has one.
	ThresholdAge time.Duration
	// MaxHeldBytes is the most that is held of what is not yet accepted, counting
	// 64 bytes for each scope beside its protobuf. Default 8 MiB; at least twice
	// what [WithMaxMessageBytes] says, and 128 bytes.
	MaxHeldBytes int
	// WhenFull is what happens to scopes beyond that. Default [Block].
	WhenFull WhenFull
	// AttemptTimeout is how long one attempt to send a stream may take, until it is
	// given up and repeated. Default 6 minutes: a server itself tries for 5 by
	// default.
	AttemptTimeout time.Duration
	// OnRefused, if not nil, is called for each scope that the server refuses, on
	// the Uploader's own goroutine, which goes on when it returns.
	OnRefused func(RefusedScope)
}

// RefusedScope is a scope that an [Uploader] has left out, because the server
// finds it wrong, or too large for a batch by itself.
type RefusedScope struct {
	// ScopeType and Name are those of the root scope.
	ScopeType, Name string
	// Err is the server's answer, an [*Error]. The ordinals in its field violations
	// count the scopes of one stream.
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

// UploaderStats counts the scopes of an [Uploader]; one that was split counts
// once for each part. Added is the sum of Accepted, Refused, Dropped and Held.
type UploaderStats struct {
	// Added is how many scopes Add took, those dropped included.
	Added int64
	// Accepted is how many are at the intake.
	Accepted int64
	// Refused is how many were left out, see [RefusedScope].
	Refused int64
	// Dropped is how many found no room, or were given up at the end: after a
	// permanent failure, by Abandon, or because Close had no more time. Of these
	// last ones some may be at the intake, where its answer was lost.
	Dropped int64
	// Held is how many are not yet accepted.
	Held int64
	// HeldBytes is what those take, and what is being added, as MaxHeldBytes
	// counts it.
	HeldBytes int
	// BatchCount is how many batches are accepted.
	BatchCount int32
	// FailureCount is how many attempts to send a stream have failed.
	FailureCount int64
}
