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
// never calls the handler, the Opening frees what it holds when gRPC's context ends.
type Opening struct {
	server *Server
	// client is gRPC's own context. It may outlast ctx while the stream settles.
	client context.Context //nolint:containedctx // it is the stream's, and ends with it
	// ctx ends when the stream must end early, which ends reads too. Its cause is the only
	// record of why.
	ctx    context.Context //nolint:containedctx // as client
	cancel context.CancelCauseFunc

	grant   *access.Grant
	account *memory.Account
	place   Place
	// pressed is set if memory is short, until the upload has seen it.
	pressed atomic.Bool
	upload  atomic.Pointer[upload] // nil until the handler serves it
	// claimed is set once the stream has a handler. early is the first cause of End.
	claimed atomic.Bool
	early   atomic.Pointer[error]
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
	o := &Opening{server: s, grant: granted, client: ctx}
	o.ctx, o.cancel = context.WithCancelCause(ctx)
	o.account = s.Budget.Open(bytes, o.onPressure)
	o.account.Attribute(grpcwire.OpenBytes)
	return o
}

// Enter admits the stream. It returns the context that gRPC must use for it. If memory is
// short, Enter leaves place, calls Leave and returns a [*memory.OverloadError].
func (o *Opening) Enter(place Place, from memory.Source) (context.Context, error) {
	o.place = place
	if err := o.account.Enter(from); err != nil {
		o.Leave()
		return nil, err
	}
	o.keep = context.AfterFunc(o.ctx, o.Leave) // gRPC may call no handler then
	return context.WithValue(o.ctx, openingKey{}, o), nil
}

// claim reports whether the handler may serve the stream.
func (o *Opening) claim() bool {
	claimed := o.keep()
	o.keep = nil // frees some 200 bytes
	o.claimed.Store(true)
	if early := o.early.Load(); early != nil {
		o.cancel(*early)
	}
	return claimed
}

// End ends the stream early for a cause, unless it is ending already. A stream without a
// handler ends when it has one: gRPC would tell its client that its deadline has passed.
func (o *Opening) End(cause error) {
	o.early.CompareAndSwap(nil, &cause)
	if o.claimed.Load() {
		o.cancel(*o.early.Load())
	}
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

// wakeUp has the upload handle what is due. It waits for processors and disks only.
func (o *Opening) wakeUp() {
	if u := o.upload.Load(); u != nil {
		u.handle()
	}
}

type openingKey struct{}

// openingOf returns the Opening that Enter put into ctx, or nil.
func openingOf(ctx context.Context) *Opening {
	o, _ := ctx.Value(openingKey{}).(*Opening)
	return o
}
