package upload

import (
	"context"
	"sync/atomic"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// StreamBytes is the memory of a stream, as measured with `make loadtest`, without what
// package grpcwire draws for it.
const StreamBytes = 8 << 10

// Opening is a stream between its header and its handler, [Server.UploadScopes]. If gRPC
// never calls the handler, the Opening frees what it holds when its context ends.
type Opening struct {
	server *Server
	// ctx ends when the stream must end early. Its cause is the only record of why.
	ctx    context.Context //nolint:containedctx // it is the stream's, and ends with it
	cancel context.CancelCauseFunc

	grant   *access.Grant
	account *memory.Account
	place   Place
	// wake wakes the event loop: the stream must end, a POST has ended, something is due, or
	// memory is short and pressed is set.
	wake    chan struct{}
	pressed atomic.Bool
	// keep stops Leave from being called when ctx ends. It reports false if it is too
	// late.
	keep func() bool
}

// Place is a stream's place among those that have sent no scope yet. The stream leaves it
// when the first scope arrives. Leaving again does nothing.
type Place interface{ Leave() }

// Open returns an Opening that holds so many bytes. The caller must call Enter or Leave.
// ctx is gRPC's context of the stream.
func (s *Server) Open(ctx context.Context, granted *access.Grant, bytes int) *Opening {
	o := &Opening{server: s, grant: granted, wake: make(chan struct{}, 1)}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	o.account = s.Budget.Open(bytes, o.onPressure)
	o.account.Attribute(grpcwire.OpenBytes)
	return o
}

// Enter admits the stream. It returns the context with which gRPC must call
// [Server.UploadScopes]. If memory is short, Enter leaves place, calls Leave and returns a
// [*memory.OverloadError].
func (o *Opening) Enter(ctx context.Context, place Place, from memory.Source) (context.Context, error) {
	o.place = place
	if err := o.account.Enter(from); err != nil {
		o.Leave()
		return nil, err
	}
	o.keep = context.AfterFunc(ctx, o.Leave) // after its deadline gRPC calls no handler
	return context.WithValue(ctx, openingKey{}, o), nil
}

// claim reports whether the handler may serve the stream.
func (o *Opening) claim() bool {
	claimed := o.keep()
	o.keep = nil // frees some 200 bytes
	return claimed
}

// End ends the stream early for a cause, unless it is ending already.
func (o *Opening) End(cause error) {
	o.cancel(cause)
	o.wakeUp()
}

// Leave frees what the stream holds.
func (o *Opening) Leave() {
	o.cancel(nil)
	if o.place != nil {
		o.place.Leave()
	}
	o.account.Attribute(-grpcwire.OpenBytes)
	o.account.Close()
	o.server.Access.Release(o.grant)
}

// onPressure is called by the budget, in a new goroutine, when memory is short.
func (o *Opening) onPressure(order memory.Order) {
	if order == memory.End {
		o.End(ErrMemory)
		return
	}
	o.pressed.Store(true)
	o.wakeUp()
}

func (o *Opening) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default: // a wake-up is pending
	}
}

type openingKey struct{}

// openingOf returns the Opening that Enter put into ctx, or nil.
func openingOf(ctx context.Context) *Opening {
	o, _ := ctx.Value(openingKey{}).(*Opening)
	return o
}
