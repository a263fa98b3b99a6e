package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

func TestTwoHundredUploadsAtOnce(t *testing.T) {
	t.Parallel()
	const (
		uploadCount     = 200
		connectionCount = 8
	)
	// No batch gets through before all uploads have one at the intake.
	var all sync.WaitGroup
	all.Add(uploadCount)
	bed := testbed.New(t, testbed.Options{
		Configure: func(cfg *server.Config) {
			cfg.FlushThresholdBytes = 0
			cfg.Intake.MaxConnections = uploadCount
		},
		Fault: func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
			if post.BatchNum == 1 {
				all.Done()
				all.Wait()
			}
			accept(w, r)
		},
	})
	var clients []*client.Client
	for range connectionCount {
		clients = append(clients, testbed.NewClient(t, bed.Connect(t)))
	}
	ctx := testbed.Context(t)
	var uploads sync.WaitGroup
	for i := range uploadCount {
		uploads.Go(func() {
			metadata := testbed.NewMetadata()
			metadata.Service = fmt.Sprintf("service-%d", i)
			scopes := testbed.NewSource(uint64(1000 + i)).Functions(2 + i%3)
			summary, err := testbed.Upload(ctx, clients[i%connectionCount], metadata, scopes)
			if err != nil {
				t.Errorf("upload %d: %v", i, err)
				return
			}
			batches, err := bed.Intake.Verify(summary.GetUploadId(), metadata, scopes)
			if err == nil {
				err = testbed.VerifySummary(summary, batches)
			}
			if err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	uploads.Wait()
	if stored := len(bed.Intake.Store.Uploads()); stored != uploadCount {
		t.Errorf("%d uploads at the intake, want %d", stored, uploadCount)
	}
}

// TestSlowIntakeSlowsClient has an intake that does not answer stop the client
// from sending, before much of what it has is taken.
func TestSlowIntakeSlowsClient(t *testing.T) {
	t.Parallel()
	const (
		scopeBytes = 16 << 10
		scopeCount = 50
		// One scope's batch travels, one is sealed, one is read. The rest are the
		// windows of HTTP/2, 64 KiB at each end, and what the two ends buffer.
		maxTaken = 3 + 4*(64<<10)/scopeBytes
		quiet    = 300 * time.Millisecond
	)
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Fault: gate.Fault, Configure: threshold(0)})
	metadata := testbed.NewMetadata()
	source := testbed.NewSource(50)
	var scopes []*symdbv1.Scope
	for range scopeCount {
		scopes = append(scopes, source.Noise(scopeBytes))
	}

	up, err := testbed.Open(testbed.Context(t), bed.Client, metadata)
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Int64
	progress, sent := make(chan struct{}, scopeCount), make(chan error, 1)
	go func() {
		for _, scope := range scopes {
			if err := up.Send(scope); err != nil {
				sent <- err
				return
			}
			taken.Add(1)
			progress <- struct{}{}
		}
		sent <- nil
	}()
	wait.Receive(t, gate.Entered, "the first batch")
	// That a Send has stopped shows only by its taking long; a slow machine lets
	// this end early, with fewer scopes taken.
	for waiting := true; waiting; {
		select {
		case <-progress:
		case <-time.After(quiet):
			waiting = false
		}
	}
	if n := taken.Load(); n > maxTaken {
		t.Errorf("%d scopes were taken while the intake had accepted none, want at most %d", n, maxTaken)
	}
	if n := len(bed.Intake.Posts()); n != 1 {
		t.Errorf("%d batches travel at the same time, want 1", n)
	}
	gate.Open()
	if err := wait.Receive(t, sent, "the sender"); err != nil {
		t.Fatal(err)
	}
	result, err := up.CloseAndReceive()
	if err != nil {
		t.Fatal(err)
	}
	bed.Intake.RequireDelivered(t, testbed.Summary(result), metadata, scopes)
}

// TestOneBatchAtATime has the batches of an upload arrive one after the other.
func TestOneBatchAtATime(t *testing.T) {
	t.Parallel()
	var travelling atomic.Int32
	bed := testbed.New(t, testbed.Options{
		Configure: threshold(0),
		Fault: func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
			if travelling.Add(1) > 1 {
				t.Errorf("batch %d came before another one was answered", post.BatchNum)
			}
			defer travelling.Add(-1)
			accept(w, r)
		},
	})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(51).Functions(10)
	bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
}

// TestClientGoesAway has a client vanish in the middle of an upload, in several
// ways and at several moments. No batch may ever be final.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	type away struct {
		cancel context.CancelFunc
		conn   *grpc.ClientConn
		socket *net.TCPConn
	}
	for how, leave := range map[string]func(*testing.T, away){
		"cancels":               func(_ *testing.T, a away) { a.cancel() },
		"closes the connection": func(_ *testing.T, a away) { _ = a.conn.Close() },
		"resets the connection": func(t *testing.T, a away) {
			t.Helper()
			if err := errors.Join(a.socket.SetLinger(0), a.socket.Close()); err != nil {
				t.Error(err)
			}
		},
	} {
		for when, held := range map[string]int{"while a batch travels": 2, "while none does": 0} {
			t.Run(how+" "+when, func(t *testing.T) {
				t.Parallel()
				gate := testbed.NewGate()
				accepted := make(chan struct{}, 8)
				bed := testbed.New(t, testbed.Options{
					Configure: threshold(0),
					Fault: func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
						if post.BatchNum == held {
							gate.Fault(w, r, post, accept)
							return
						}
						accept(w, r)
						accepted <- struct{}{}
					},
				})
				var a away
				a.conn = bed.Connect(t, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
					if tcp, ok := conn.(*net.TCPConn); ok && a.socket == nil {
						a.socket = tcp
					}
					return conn, err
				}))
				ctx, cancel := context.WithCancel(testbed.Context(t))
				defer cancel()
				a.cancel = cancel
				metadata := testbed.NewMetadata()
				up, err := testbed.Open(ctx, testbed.NewClient(t, a.conn), metadata)
				if err != nil {
					t.Fatal(err)
				}
				for _, scope := range testbed.NewSource(52).Functions(3) {
					if err := up.Send(scope); err != nil {
						t.Fatal(err)
					}
				}
				wait.Receive(t, accepted, "the first batch")
				if held > 0 {
					wait.Receive(t, gate.Entered, "the second batch")
				} else {
					wait.Receive(t, accepted, "the second batch")
				}
				leave(t, a)
				if _, err := up.CloseAndReceive(); err == nil {
					t.Error("the upload succeeded")
				}
				if held > 0 {
					wait.Receive(t, gate.BrokenOff, "the batch to be broken off")
				}
				gate.Open()
				requireServing(t, bed)
				bed.Stop(t)
				bed.Intake.RequireNoFinal(t, metadata.GetUploadId())
			})
		}
	}
}

// TestDeadline has the client's deadline pass while the intake hangs.
func TestDeadline(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Fault: testbed.Hang})
	ctx, cancel := context.WithTimeout(testbed.Context(t), 200*time.Millisecond)
	defer cancel()
	_, err := testbed.Upload(ctx, bed.Client, testbed.NewMetadata(), testbed.NewSource(53).Functions(1))
	if status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want DEADLINE_EXCEEDED", err)
	}
	bed.Stop(t)
}

// TestFailingSequence has the caller's own sequence fail.
func TestFailingSequence(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: threshold(0)})
	metadata := testbed.NewMetadata()
	source := testbed.NewSource(54)
	_, err := bed.Client.Upload(testbed.Context(t), testbed.Metadata(metadata), func(yield func(*symdbv1.Scope, error) bool) {
		for range 4 {
			if !yield(source.Function(), nil) {
				return
			}
		}
		yield(nil, io.ErrUnexpectedEOF)
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, client.ErrUpload) {
		t.Errorf("%v, want the sequence's own error", err)
	}
	bed.Stop(t)
	bed.Intake.RequireNoFinal(t, metadata.GetUploadId())
}

// TestUploadsDoNotDisturbEachOther has good uploads beside ones whose batches
// hang and ones that are bad.
func TestUploadsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{
		Configure: threshold(0),
		Fault: func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
			if post.UploadID[0] == '0' {
				testbed.Hang(w, r, post, accept)
				return
			}
			accept(w, r)
		},
	})
	ctx := testbed.Context(t)
	hangCtx, endHanging := context.WithCancel(ctx)
	var hanging, others sync.WaitGroup
	for i := range 30 {
		ctx, uploads := ctx, &others
		if i%3 == 0 {
			ctx, uploads = hangCtx, &hanging
		}
		uploads.Go(func() {
			metadata, scopes := testbed.NewMetadata(), testbed.NewSource(uint64(2000+i)).Functions(5)
			metadata.UploadId = fmt.Sprintf("%d%s", i%3, metadata.GetUploadId()[1:])
			if i%3 == 1 {
				scopes[4] = &symdbv1.Scope{}
			}
			_, err := testbed.UploadOnce(ctx, bed.Client, metadata, scopes)
			want := []codes.Code{codes.Canceled, codes.InvalidArgument, codes.OK}[i%3]
			if status.Code(err) != want {
				t.Errorf("upload %d: %v, want %v", i, err, want)
			}
			if want != codes.OK {
				return
			}
			if _, err := bed.Intake.Verify(metadata.GetUploadId(), metadata, scopes); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
		})
	}
	others.Wait()
	endHanging()
	hanging.Wait()
}
