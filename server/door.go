package server

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// What streams may hold that anybody can open and leave, as parts of the budget.
const (
	unbegunShare = 8  // uploads without a scope
	watchShare   = 16 // streams of other services
	callShare    = 32 // calls with one answer
)

// callTime is how long a call with one answer may take, and watchTime a stream of
// another service. refusedTime is what a refused call gets to send its message in,
// without which gRPC does not ask what to answer.
const (
	callTime    = 10 * time.Second
	watchTime   = 10 * time.Minute
	refusedTime = 20 * time.Millisecond
)

// leavingStreams is how many streams that were refused may be on their way out: each
// takes some kilobytes that are not drawn. While there are as many, connections that
// open further ones to be refused are not read, for leavingTime at most.
const (
	leavingStreams = 256
	leavingTime    = time.Second
)

// door decides about each stream when nothing but its header is there, before gRPC sets
// anything up for it. What the stream holds is drawn from then on.
//
// What it refuses is ended a moment later, by the interceptors: gRPC would keep the
// timer of a stream that has a deadline and is refused here.
type door struct {
	access     *access.Access
	budget     *memory.Budget
	uploads    *upload.Server
	metrics    *metrics
	limitedLog *logs.Limiter

	unbegun, watches, calls *room
	watchTime, callTime     time.Duration
	leaving                 chan struct{}
}

func newDoor(s *Server) *door {
	bytes := s.budget.LimitBytes()
	return &door{
		access: s.access, budget: s.budget, uploads: s.uploads, metrics: s.metrics, limitedLog: s.limitedLog,
		unbegun: newRoom(bytes / unbegunShare), watches: newRoom(bytes / watchShare), calls: newRoom(bytes / callShare),
		watchTime: watchTime, callTime: callTime, leaving: make(chan struct{}, leavingStreams),
	}
}

// open is called by gRPC for each stream, in the goroutine that reads the connection.
func (d *door) open(ctx context.Context, info *tap.Info) (context.Context, error) {
	bytes := upload.StreamBytes + headerBytes(info.Header)
	switch info.FullMethodName {
	case symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName:
		return d.openUpload(ctx, bytes), nil
	case healthv1.Health_Check_FullMethodName, healthv1.Health_List_FullMethodName:
		return d.openCall(ctx, bytes), nil
	}
	return d.openWatch(ctx, info.FullMethodName, bytes), nil
}

func (d *door) openUpload(ctx context.Context, bytes int) context.Context {
	known, err := d.access.Authenticate(ctx)
	if err != nil {
		return d.refused(ctx, upload.Status(err, nil))
	}
	opened, err := d.admit(known, bytes)
	if err != nil {
		return d.refused(ctx, d.count(err))
	}
	return opened
}

// admit opens an upload, or returns why it may not be opened.
func (d *door) admit(ctx context.Context, bytes int) (context.Context, error) {
	granted, err := d.access.Admit(ctx)
	if err != nil {
		return nil, err
	}
	opening := d.uploads.Open(ctx, granted, bytes)
	connection := connectionOf(ctx)
	place := d.unbegun.enter(bytes, func() { opening.End(upload.ErrUnbegun) }, whoseOf(connection, granted)...)
	if place == nil {
		opening.Leave()
		return nil, upload.ErrUnbegun
	}
	return opening.Enter(ctx, place, memory.Source{Connection: connection, Group: granted.Group()})
}

// refusal is what the door has decided about a stream that it has refused.
type refusal struct {
	public error  // what its client is told
	left   func() // to be called when that has been said
}

type refusalKey struct{}

// refuse returns what the client of a stream is told if the door has refused it, or nil.
// The stream makes room for the next refused one, so refuse is called when it ends.
func refuse(ctx context.Context) error {
	decided, refused := ctx.Value(refusalKey{}).(refusal)
	if !refused {
		return nil
	}
	decided.left()
	return decided.public
}

// refused has a stream be ended by the interceptors, with that status.
func (d *door) refused(ctx context.Context, public error) context.Context {
	timer := time.NewTimer(leavingTime)
	defer timer.Stop()
	left := func() {}
	select {
	case d.leaving <- struct{}{}:
		left = sync.OnceFunc(func() { <-d.leaving })
		// In a connection that is lost, gRPC ends the context only when all is read that
		// the client had sent before; so refuse calls left as well.
		context.AfterFunc(ctx, left)
	case <-timer.C:
	}
	return context.WithValue(ctx, refusalKey{}, refusal{public: public, left: left})
}

// count counts an upload that is refused, logs some of them, and returns what their
// clients are told.
func (d *door) count(err error) error {
	public := upload.Status(err, &symdbv1.UploadProgress{}) // nothing is accepted yet
	how := upload.OutcomeOf(public)
	d.metrics.uploadEnded(how, 0)
	if how.Reason == upload.ReasonOverloaded {
		d.uploads.Counts.Overloaded.Add(1)
		d.limitedLog.Warn("upload refused", slog.String("error", err.Error()))
	}
	return public
}

// openCall takes a call with one answer, also when memory is short: it may ask for the
// server's health.
func (d *door) openCall(ctx context.Context, bytes int) context.Context {
	taken, ok := d.hold(ctx, d.calls, d.callTime, bytes)
	if !ok {
		short, cancel := context.WithTimeout(d.refused(ctx, upload.Status(upload.ErrMemory, nil)), refusedTime)
		context.AfterFunc(short, func() {
			cancel()
			_ = refuse(short)
		})
		return short
	}
	return taken
}

// openWatch takes a stream of another service, unless memory is short.
func (d *door) openWatch(ctx context.Context, method string, bytes int) context.Context {
	if !strings.HasPrefix(method, "/"+healthv1.Health_ServiceDesc.ServiceName+"/") {
		if _, err := d.access.Authenticate(ctx); err != nil {
			return d.refused(ctx, upload.Status(err, nil))
		}
	}
	if !d.budget.Squeezing() {
		if taken, ok := d.hold(ctx, d.watches, d.watchTime, bytes); ok {
			return taken
		}
	}
	return d.refused(ctx, upload.Status(upload.ErrMemory, nil))
}

// hold draws what a stream holds until the context returned ends, which it does after
// that time, or when the stream has to give way to another one.
func (d *door) hold(ctx context.Context, in *room, longest time.Duration, bytes int) (context.Context, bool) {
	bytes += grpcwire.MaxCallBytes
	held, give := context.WithCancelCause(ctx)
	place := in.enter(bytes, func() { give(upload.ErrMemory) }, connectionOf(ctx))
	if place == nil {
		give(nil)
		return nil, false
	}
	d.budget.Draw(bytes)
	limited, cancel := context.WithTimeoutCause(held, longest, upload.ErrConnectionAge)
	context.AfterFunc(limited, func() {
		cancel()
		give(nil)
		place.Leave()
		d.budget.Draw(-bytes)
	})
	return limited, true
}

// headerBytes is what gRPC keeps of a stream's header.
func headerBytes(header metadata.MD) (sum int) {
	const fieldBytes = 64 // a slice of one string, and both in a map
	for name, values := range header {
		sum += fieldBytes + len(name)
		for _, value := range values {
			sum += len(value)
		}
	}
	return sum
}

// connectionOf returns what stands for a stream's connection.
func connectionOf(ctx context.Context) any {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	switch address := client.Addr.(type) {
	case *net.TCPAddr, *net.UnixAddr: // each connection has one of its own
		return address
	default:
		return address.String()
	}
}

// whoseOf returns who answers for what a stream holds.
func whoseOf(connection any, granted *access.Grant) []any {
	if name := granted.TenantName(); name != "" {
		return []any{connection, name}
	}
	return []any{connection}
}
