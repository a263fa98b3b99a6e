package client

import (
	"fmt"
	"time"
)

// uploaderSettings are the settings of an [Uploader] alone.
type uploaderSettings struct {
	thresholdBytes int
	thresholdAge   time.Duration
	maxHeldBytes   int // 0: the default
	attemptTimeout time.Duration
	dropNewest     bool
	openEnd        bool
	onRefused      func(RefusedScope)
}

// inUploaders is where options of an [Uploader] may be used.
const inUploaders = inClient | inUploader

// WithThresholdBytes sets the size of an [Uploader]'s batch, in bytes of protobuf: it has
// as many scopes as fit, and at least one. Default [DefaultThresholdBytes]. The Uploader
// lowers it if a server refuses a batch as too large.
func WithThresholdBytes(n int) Option {
	return Option{"WithThresholdBytes", inUploaders, positive(n), func(s *settings) { s.uploader.thresholdBytes = n }}
}

// WithThresholdAge sets how long a scope in an [Uploader] waits for its batch to fill
// before the batch is sent. Default [DefaultThresholdAge]. The newest scope is held back
// for the final batch, except with [WithOpenEnd].
func WithThresholdAge(d time.Duration) Option {
	return Option{"WithThresholdAge", inUploaders, positive(d), func(s *settings) { s.uploader.thresholdAge = d }}
}

// WithMaxHeldBytes limits the scopes in an [Uploader] that are not yet accepted, in bytes
// of protobuf plus 64 bytes for each scope. The minimum is twice [WithMaxMessageBytes] plus
// 128 bytes. Default [DefaultMaxHeldBytes], or the minimum if that is larger.
func WithMaxHeldBytes(n int) Option {
	return Option{"WithMaxHeldBytes", inUploaders, positive(n), func(s *settings) { s.uploader.maxHeldBytes = n }}
}

// WithDropNewest makes [Uploader.Add] drop a scope for which there is no room, and count
// it, see [UploaderStats]. By default Add waits for room.
func WithDropNewest() Option {
	return Option{"WithDropNewest", inUploaders, nil, func(s *settings) { s.uploader.dropNewest = true }}
}

// WithOpenEnd makes the upload of an [Uploader] open-ended: it has no final batch, and no
// scope is held back for one. Use it for a process that loads classes for as long as it
// lives. Each scope is sent within [WithThresholdAge]. The process may end at any time: the
// intake keeps what it has accepted by then.
func WithOpenEnd() Option {
	return Option{"WithOpenEnd", inUploaders, nil, func(s *settings) { s.uploader.openEnd = true }}
}

// WithAttemptTimeout sets how long one attempt of an [Uploader] to send a batch may take
// before it is aborted and repeated. Default [DefaultAttemptTimeout]: a server by default
// retries for 5 minutes.
func WithAttemptTimeout(d time.Duration) Option {
	return Option{"WithAttemptTimeout", inUploaders, positive(d), func(s *settings) { s.uploader.attemptTimeout = d }}
}

// WithOnRefused sets a function that an [Uploader] calls for each scope that the server
// refuses. The Uploader's goroutine calls it, and waits for it.
func WithOnRefused(observe func(RefusedScope)) Option {
	return Option{"WithOnRefused", inUploaders, given(observe != nil), func(s *settings) { s.uploader.onRefused = observe }}
}

// resolveMaxHeldBytes sets the default of the option, or checks its value.
func (s *settings) resolveMaxHeldBytes() error {
	least := 2 * (s.maxMessageBytes + upkeepBytes)
	switch held := &s.uploader.maxHeldBytes; {
	case *held == 0:
		*held = max(DefaultMaxHeldBytes, least)
	case *held < least:
		return fmt.Errorf("option WithMaxHeldBytes: %d is too small: two messages of %d bytes need %d",
			*held, s.maxMessageBytes, least)
	}
	return nil
}
