// Package selfupload uploads the symbols of the program that it is part of: once, in the
// background, and slowly enough for a busy service.
//
// Start with [Start], early in main. To upload the symbols of another program, or to upload
// in the foreground, use packages client and client/gosym.
//
// # Cost
//
// The upload works for about a millisecond and then rests, so that it takes a small share
// of one core, see [WithCPUShare]. An executable of 30 MB takes one to two seconds of CPU
// time, and so about a minute. Meanwhile an executable of 70 MB takes up to 8 MiB of heap,
// for an index of the symbols and the scopes being sent. The uncompressed debug sections,
// about half as large as the executable, are in a temporary file, or in memory where that
// is not possible: see package client/gosym. Pass [gosym.WithTempDir] to [WithSymbols] to
// choose the directory of the file, and [gosym.WithMaxMemory] to limit the memory: an
// upload that needs more ends with [gosym.ErrMaxMemory].
//
// The priority of threads is not lowered. At most GOMAXPROCS threads run Go code, and the
// garbage collector stops all of them, so other goroutines would wait for a thread of low
// priority that the system does not run.
package selfupload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/client/internal/pause"
)

// Upload is an upload of this program's own symbols.
type Upload struct {
	done   chan struct{} // closed when result and err are set
	result client.Result
	err    error
}

// Start begins to upload the symbols of this program to the server at addr, see
// [client.Dial], and returns at once. The upload begins after a random delay, see
// [WithMaxDelay]. It is repeated after failures that may pass, such as an unreachable
// server, until it succeeds or ctx is done; see [WithBackoff].
//
// Start fails only on an invalid address or option. All other errors are logged, see
// [WithLogger], and returned by [Upload.Err]; the program may ignore them. A panic in this
// package, client or client/gosym becomes such an error.
func Start(ctx context.Context, addr string, options ...Option) (*Upload, error) {
	s, err := newSettings(options)
	if err != nil {
		return nil, fmt.Errorf("start self upload: %w", err)
	}
	s.addr = addr
	c, err := client.Dial(addr, s.client...)
	if err != nil {
		return nil, fmt.Errorf("start self upload: %w", err)
	}
	// Each attempt has its own connection, since an idle one would try to reconnect.
	if err := c.Close(); err != nil {
		return nil, fmt.Errorf("start self upload: %w", err)
	}
	return start(ctx, s, s.attempt), nil
}

// start calls attempt in the background until the upload has ended.
func start(ctx context.Context, s *settings, attempt func(context.Context) (client.Result, error)) *Upload {
	u := &Upload{done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.result, u.err = s.repeat(ctx, attempt)
		s.report(ctx, u.result, u.err)
	}()
	return u
}

// Done returns a channel that is closed when the upload has ended.
func (u *Upload) Done() <-chan struct{} { return u.done }

// Wait waits until the upload has ended, which it does soon after its context is done, and
// returns its outcome.
func (u *Upload) Wait() (client.Result, error) {
	<-u.done
	return u.result, u.err
}

// Err returns nil while the upload is running and after it has succeeded. Otherwise it
// returns why it ended: the context's cause, an error of [gosym.Open], such as
// [gosym.ErrNoDWARF], or an error of [client.Client.Upload] that is not retryable, see
// [client.IsRetryable].
func (u *Upload) Err() error {
	select {
	case <-u.done:
		return u.err
	default:
		return nil
	}
}

// repeat makes attempts until there is an outcome.
func (s *settings) repeat(ctx context.Context, attempt func(context.Context) (client.Result, error)) (client.Result, error) {
	wait := random(s.maxDelay)
	for limit := s.backoff.first; ; limit = min(2*limit, s.backoff.most) {
		if err := pause.For(ctx, wait); err != nil {
			return client.Result{}, fmt.Errorf("self upload: %w", err)
		}
		result, err := recovering(ctx, attempt)
		switch {
		case err == nil:
			return result, nil
		case ctx.Err() != nil:
			return client.Result{}, fmt.Errorf("self upload: %w", context.Cause(ctx))
		case !client.IsRetryable(err):
			return client.Result{}, fmt.Errorf("self upload: %w", err)
		}
		wait = limit/2 + random(limit/2)
		s.logger.WarnContext(ctx, "symbols not uploaded yet", "error", err, "wait", wait)
	}
}

// recovering turns a panic of the attempt into an error.
func recovering(ctx context.Context, attempt func(context.Context) (client.Result, error)) (result client.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return attempt(ctx)
}

// attempt reads the symbols and uploads them, at the pace of the settings.
func (s *settings) attempt(ctx context.Context) (client.Result, error) {
	return s.upload(ctx, newPacer(ctx, s.cpuShare).pass)
}

func (s *settings) upload(ctx context.Context, checkpoint func() error) (result client.Result, err error) {
	binary, err := s.open(ctx, append(slices.Clip(s.symbols), gosym.WithCheckpoint(checkpoint)))
	if err != nil {
		return client.Result{}, err
	}
	defer binary.Close()
	c, err := client.Dial(s.addr, s.client...)
	if err != nil {
		return client.Result{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }() // even if a scope panics
	return c.Upload(ctx, s.describe(binary.Metadata()), binary.Parts())
}

// open opens the program's executable.
func (s *settings) open(ctx context.Context, options []gosym.Option) (*gosym.Binary, error) {
	if s.executable == "" {
		return gosym.OpenSelf(ctx, options...)
	}
	return gosym.Open(ctx, s.executable, append(options, gosym.WithMainModuleByDefault())...)
}

// report logs the outcome and calls the program's function.
func (s *settings) report(ctx context.Context, result client.Result, err error) {
	switch {
	case err == nil:
		s.logger.InfoContext(ctx, "symbols uploaded",
			"upload_id", result.UploadID, "scope_count", result.ScopeCount, "batch_count", result.BatchCount)
	case ctx.Err() != nil: // the program ends
	default:
		s.logger.WarnContext(ctx, "symbols not uploaded", "error", err)
	}
	s.onDone(result, err)
}

// random returns a random time of at most limit.
func random(limit time.Duration) time.Duration {
	return rand.N(limit + 1) //nolint:gosec // it is not secret
}
