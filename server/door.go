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
	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/grpcwire"
	"github.com/scopegate/scopegate/server/internal/logs"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// Each room's limit is the memory budget divided by its share.
const (
	unbegunShare = 8  // uploads without a scope
	watchShare   = 16 // streams of other services
	callShare    = 32 // unary calls
)

const (
	// callTime limits the duration of a unary call.
	callTime = 10 * time.Second
	// watchTime limits the duration of a stream of another service.
	watchTime = 10 * time.Minute
	// refusedTime is how long a refused unary call may take to send its message. gRPC
	// runs the interceptor, which answers the call, only after the message.
	refusedTime = 20 * time.Millisecond
)

// errOverdue ends a call or watch that has taken too long.
var errOverdue = overdueError{}

// overdueError has the code and reason of upload.ErrConnectionAge, but its own text.
type overdueError struct{}

func (overdueError) Error() string { return "the call or watch has reached its time limit" }

func (overdueError) Unwrap() error { return upload.ErrConnectionAge }

const (
	// leavingStreams limits the streams that are refused but not ended yet. Each takes
	// some kilobytes that are not drawn from the budget.
	leavingStreams = 256
	// leavingTime limits how long a connection is not read if it opens a stream to refuse
	// while leavingStreams are leaving.
	leavingTime = time.Second
)

// door admits or refuses each stream as soon as its header has arrived, before gRPC
// allocates anything for it. The memory of an admitted stream is drawn from then on.
//
// The interceptors end a refused stream a moment later. If the door ended it, gRPC would
// keep the stream's deadline timer.
type door struct {
	access     *access.Access
	budget     *memory.Budget
	uploads    *upload.Server
	metrics    *metrics
	activity   *admin.Recorder
	limitedLog *logs.Limiter

	unbegun, watches, calls *room
	watchTime, callTime     time.Duration
	leaving                 chan struct{}
}

func newDoor(s *Server) *door {
	bytes := s.budget.LimitBytes()
	return &door{
		access: s.access, budget: s.budget, uploads: s.uploads,
		metrics: s.metrics, activity: s.activity, limitedLog: s.limitedLog,
		unbegun: newRoom(bytes / unbegunShare), watches: newRoom(bytes / watchShare), calls: newRoom(bytes / callShare),
		watchTime: watchTime, callTime: callTime, leaving: make(chan struct{}, leavingStreams),
	}
}

// open is the tap handler: gRPC calls it for each stream, in the goroutine that reads the
// connection.
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
		return d.withRefusal(ctx, upload.Status(err, nil))
	}
	opened, err := d.admit(known, bytes)
	if err != nil {
		return d.withRefusal(ctx, d.countRefusal(err))
	}
	return opened
}

// admit opens an upload. Its error is the reason for a refusal.
func (d *door) admit(ctx context.Context, bytes int) (context.Context, error) {
	granted, err := d.access.Admit(ctx)
	if err != nil {
		return nil, err
	}
	opening := d.uploads.Open(ctx, granted, bytes)
	connection := connectionOf(ctx)
	entered := d.unbegun.enter(bytes, func() { opening.End(upload.ErrUnbegun) }, ownersOf(connection, granted)...)
	if entered == nil {
		opening.Leave()
		return nil, upload.ErrUnbegun
	}
	return opening.Enter(entered, memory.Source{Connection: connection, Tenant: granted.Tenant()})
}

// refusal is carried by the context of a stream that the door has refused.
type refusal struct {
	public error  // the status for the client
	left   func() // to be called when the stream ends
}

type refusalKey struct{}

// takeRefusal returns the status of a stream that the door has refused, or nil. If it is
// not nil, the caller must end the stream, which no longer counts as leaving.
func takeRefusal(ctx context.Context) error {
	taken, ok := ctx.Value(refusalKey{}).(refusal)
	if !ok {
		return nil
	}
	taken.left()
	return taken.public
}

// withRefusal returns a context that makes the interceptors end the stream with a status.
func (d *door) withRefusal(ctx context.Context, public error) context.Context {
	timer := time.NewTimer(leavingTime)
	defer timer.Stop()
	left := func() {}
	select {
	case d.leaving <- struct{}{}:
		left = sync.OnceFunc(func() { <-d.leaving })
		// After a connection is lost, gRPC ends the context only once it has read all
		// that the client had sent. So takeRefusal calls left as well.
		context.AfterFunc(ctx, left)
	case <-timer.C:
	}
	return context.WithValue(ctx, refusalKey{}, refusal{public: public, left: left})
}

// countRefusal counts a refused upload, and returns the status for its client. It logs
// refusals for overload, at a limited rate.
func (d *door) countRefusal(err error) error {
	public := upload.Status(err, &symdbv1.UploadProgress{}) // nothing is accepted yet
	outcome := upload.OutcomeOf(public)
	d.metrics.uploadEnded(outcome, 0)
	if outcome.Reason == upload.ReasonOverloaded {
		recordRefusal(d.activity, err)
		d.limitedLog.Warn("upload refused", slog.String("error", err.Error()))
	}
	return public
}

// openCall admits a unary call, even when memory is short: it may ask for the server's
// health.
func (d *door) openCall(ctx context.Context, bytes int) context.Context {
	held, ok := d.hold(ctx, d.calls, d.callTime, bytes)
	if !ok {
		short, cancel := context.WithTimeout(d.withRefusal(ctx, upload.Status(upload.ErrMemory, nil)), refusedTime)
		context.AfterFunc(short, func() {
			cancel()
			_ = takeRefusal(short)
		})
		return short
	}
	return held
}

// openWatch admits a stream of another service, unless memory is short.
func (d *door) openWatch(ctx context.Context, method string, bytes int) context.Context {
	if !strings.HasPrefix(method, "/"+healthv1.Health_ServiceDesc.ServiceName+"/") {
		if _, err := d.access.Authenticate(ctx); err != nil {
			return d.withRefusal(ctx, upload.Status(err, nil))
		}
	}
	if !d.budget.Squeezing() {
		if held, ok := d.hold(ctx, d.watches, d.watchTime, bytes); ok {
			return held
		}
	}
	return d.withRefusal(ctx, upload.Status(upload.ErrMemory, nil))
}

// hold enters a stream into a room, and draws its memory until the returned context ends:
// after the timeout, or when the stream is evicted. It returns false if the room refuses
// the stream.
func (d *door) hold(ctx context.Context, in *room, timeout time.Duration, bytes int) (context.Context, bool) {
	bytes += grpcwire.MaxCallBytes
	held, end := context.WithCancelCause(ctx)
	entered := in.enter(bytes, func() { end(upload.ErrMemory) }, connectionOf(ctx))
	if entered == nil {
		end(nil)
		return nil, false
	}
	d.budget.Draw(bytes)
	limited, cancel := context.WithTimeoutCause(held, timeout, errOverdue)
	context.AfterFunc(limited, func() {
		cancel()
		end(nil)
		entered.Leave()
		d.budget.Draw(-bytes)
	})
	return limited, true
}

// headerBytes returns the memory of a stream's header in gRPC.
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

// connectionOf returns a key for a stream's connection.
func connectionOf(ctx context.Context) any {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	switch address := client.Addr.(type) {
	case *net.TCPAddr, *net.UnixAddr: // each connection has its own pointer
		return address
	default:
		return address.String()
	}
}

// ownersOf returns the owners of an upload in a room.
func ownersOf(connection any, granted *access.Grant) []any {
	if name := granted.TenantName(); name != "" {
		return []any{connection, name}
	}
	return []any{connection}
}
