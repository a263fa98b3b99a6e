// Package testbed connects a real client, server and intake by real sockets, for
// tests that look at scopegate from outside.
//
// Start at [New], which returns a [Bed]. A [Fault] decides what happens to a POST
// before the intake; a [Source] makes scopes; [Intake.RequireDelivered] compares
// what was sent with what has arrived. A bed stops when its test ends, and fails
// the test if something of the server does not stop.
//
// It shares no code with the server: the standard library reads JSON, gzip and
// multipart.
package testbed

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server"
)

// Canary is in every secret of a bed's server: the password and the query of the
// intake's URL, and the API key. It must not appear anywhere else.
const Canary = "canary5b1e"

// Options change a bed. The zero value has the server's default settings, except for
// a longer timeout of POSTs, and an intake that accepts valid batches.
type Options struct {
	// Configure, if not nil, changes the server's settings.
	Configure func(*server.Config)
	// Fault, if not nil, handles POSTs before the intake.
	Fault Fault
	// IntakeURL, if not empty, is an intake to use instead of the bed's own.
	IntakeURL string
	// Listener is the server's. Nil: on a free port of 127.0.0.1.
	Listener net.Listener
	// Client are options of the client.
	Client []client.Option
	// Server are collaborators of the server.
	Server []server.Option
}

// Bed is an intake, a server and a client.
type Bed struct {
	// Intake is nil if Options.IntakeURL is set.
	Intake *Intake
	Server *Server
	// Conn is a connection to the server.
	Conn *grpc.ClientConn
	// Client and Service are the client library and the stub on Conn.
	Client  *client.Client
	Service symdbv1.SymbolDatabaseServiceClient

	secrets []string
}

// New starts a bed that stops when the test ends: first the client, then the
// server, then the intake.
func New(tb testing.TB, o Options) *Bed {
	tb.Helper()
	b := &Bed{secrets: []string{Canary}}
	intakeURL := o.IntakeURL
	if intakeURL == "" {
		b.Intake = StartIntake(tb, o.Fault)
		intakeURL = b.Intake.URL()
	}
	if target, err := url.Parse(intakeURL); err == nil && target.Host != "" {
		b.secrets = append(b.secrets, target.Host)
	}
	b.Server = StartServer(tb, intakeURL, o.Listener, o.Configure, o.Server...)
	b.Conn = b.Connect(tb)
	b.Client = NewClient(tb, b.Conn, o.Client...)
	b.Service = symdbv1.NewSymbolDatabaseServiceClient(b.Conn)
	return b
}

// Connect returns another connection to the server, which is closed when the test
// ends.
func (b *Bed) Connect(tb testing.TB, options ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	options = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)
	conn, err := grpc.NewClient(b.Server.Target(), options...)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Upload uploads the scopes and returns the summary, or fails the test.
func (b *Bed) Upload(
	tb testing.TB, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) *symdbv1.UploadScopesResponse {
	tb.Helper()
	summary, err := Upload(Context(tb), b.Client, metadata, scopes)
	if err != nil {
		tb.Fatalf("upload: %v", err)
	}
	return summary
}

// Pull uploads the scopes with the client library, which resumes after a failed stream.
func (b *Bed) Pull(
	ctx context.Context, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) (Journey, error) {
	j := Journey{Streams: 1}
	current := metadata.GetUploadId()
	summary, err := Upload(ctx, b.Client, metadata, scopes,
		client.WithBackoff(time.Millisecond, 20*time.Millisecond), client.WithMaxAttempts(1000),
		client.WithOnRetry(func(event client.RetryEvent) {
			j.Streams++
			j.Failures = append(j.Failures, event.Err)
			if event.StartsOver {
				j.Abandoned = append(j.Abandoned, current)
			}
			current = event.UploadID
		}))
	j.UploadID, j.Summary = summary.GetUploadId(), summary
	return j, err
}

// Stop stops the server and the intake, after what is in flight.
func (b *Bed) Stop(tb testing.TB) {
	tb.Helper()
	b.Server.stop(tb)
	if b.Intake != nil {
		b.Intake.Stop()
	}
}

// patience is how long a test waits for something that must happen, even on a busy
// machine. It is reached only if the test fails.
const patience = 5 * time.Minute

// Context returns a context that ends with the test, or after patience.
func Context(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}
