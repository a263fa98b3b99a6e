package upload

import (
	"context"
	"sync/atomic"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/memory"
)

// StreamBytes is what a stream costs beside what package grpcwire draws for its
// connection, as measured with `make loadtest`: what runs beside gRPC's goroutine.
const StreamBytes = 8 << 10

// Opening is a stream of which nothing but the header is there. [Server.UploadScopes]
// serves it. If gRPC never calls that, the opening gives back by itself what it holds.
type Opening struct {
	server *Server
	// ctx ends when the stream has to end before its client ends it. Its cause is why,
	// and nothing else says so.
	ctx context.Context //nolint:containedctx // it is the stream's, and ends with it
	end context.CancelCauseFunc

	grant   *access.Grant
	account *memory.Account // of what the stream holds
	place   Place
	// wake has the event loop attend to the stream. It is told when a batch has landed,
	// and when the stream is pressed: asked to hold less.
	wake    chan struct{}
	pressed atomic.Bool
	// keep keeps the opening from giving back by itself. It reports false if that has
	// happened.
	keep func() bool
}

// Place is where a stream stays until its first scope is there. Leaving it again does
// nothing.
type Place interface{ Leave() }

// Open opens a stream that holds so many bytes. It must Enter or Leave. ctx is what gRPC
// knows of the stream.
func (s *Server) Open(ctx context.Context, granted *access.Grant, bytes int) *Opening {
	o := &Opening{server: s, grant: granted, wake: make(chan struct{}, 1)}
	o.ctx, o.end = context.WithCancelCause(ctx)
	o.account = s.Budget.Open(bytes, o.onPressure)
	o.account.Attribute(grpcwire.OpenBytes)
	return o
}

// Enter has the stream stay in place, and be served. It returns the context by which
// gRPC hands the stream to [Server.UploadScopes]; or it leaves, and returns a
// [*memory.OverloadError].
func (o *Opening) Enter(ctx context.Context, place Place, from memory.Source) (context.Context, error) {
	o.place = place
	if err := o.account.Enter(from); err != nil {
		o.Leave()
		return nil, err
	}
	o.keep = context.AfterFunc(ctx, o.Leave) // gRPC calls no handler if the deadline has passed
	return context.WithValue(ctx, openingKey{}, o), nil
}

// claim reports whether the opening is still there to be served.
func (o *Opening) claim() bool {
	claimed := o.keep()
	o.keep = nil // some 200 bytes, for as long as the stream
	return claimed
}

// End ends the stream for that cause, unless it ends already.
func (o *Opening) End(cause error) { o.end(cause) }

// Leave gives back what the stream was given when it was opened.
func (o *Opening) Leave() {
	o.end(nil)
	if o.place != nil {
		o.place.Leave()
	}
	o.account.Attribute(-grpcwire.OpenBytes)
	o.account.Close()
	o.server.Access.Release(o.grant)
}

// onPressure does what the budget asks for. The budget calls it in a goroutine of its
// own.
func (o *Opening) onPressure(order memory.Order) {
	if order == memory.End {
		o.end(ErrMemory)
		return
	}
	o.pressed.Store(true)
	o.wakeUp()
}

func (o *Opening) wakeUp() {
	select {
	case o.wake <- struct{}{}:
	default: // it will wake up already
	}
}

type openingKey struct{}

// openingOf returns the opening of a stream that has this context, or nil.
func openingOf(ctx context.Context) *Opening {
	o, _ := ctx.Value(openingKey{}).(*Opening)
	return o
}
