package integration_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// startUpload begins an upload and returns it when its first batch is held at
// the gate.
func startUpload(
	t *testing.T, bed *testbed.Bed, gate *testbed.Gate, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) *client.Stream {
	t.Helper()
	up, err := testbed.Open(testbed.Context(t), bed.Client, metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		if err := up.Send(scope); err != nil {
			t.Fatal(err)
		}
	}
	wait.Receive(t, gate.Entered, "the first batch")
	return up
}

// waitUntilClosed returns when the server takes no connection any more.
func waitUntilClosed(t *testing.T, bed *testbed.Bed) {
	t.Helper()
	_ = wait.Until(t, "the server to take no connection", func() error {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", bed.Server.Target())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}, func(err error) bool { return err != nil })
}

func TestShutdownWaitsForUpload(t *testing.T) {
	t.Parallel()
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Fault: gate.Fault, Configure: threshold(0)})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(60).Functions(3)
	up := startUpload(t, bed, gate, metadata, scopes)

	stopped := make(chan error, 1)
	go func() { stopped <- bed.Server.Shutdown(testbed.Context(t)) }()
	waitUntilClosed(t, bed)
	_, err := testbed.UploadOnce(testbed.Context(t), testbed.NewClient(t, bed.Connect(t)), testbed.NewMetadata(), scopes)
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a new upload: %v, want UNAVAILABLE", err)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v while an upload was in flight", err)
	default:
	}

	gate.Open()
	result, err := up.CloseAndReceive()
	if err != nil {
		t.Fatal(err)
	}
	bed.Intake.RequireDelivered(t, testbed.Summary(result), metadata, scopes)
	if err := wait.Receive(t, stopped, "Shutdown"); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := wait.Receive(t, bed.Server.Served, "Serve"); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestShutdownBreaksOff(t *testing.T) {
	t.Parallel()
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Fault: gate.Fault, Configure: threshold(0)})
	metadata := testbed.NewMetadata()
	up := startUpload(t, bed, gate, metadata, testbed.NewSource(61).Functions(3))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bed.Server.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want the context's error", err)
	}
	_, err := up.CloseAndReceive()
	if status.Code(err) != codes.Unavailable || !errors.Is(err, client.ErrUpload) {
		t.Errorf("%v, want UNAVAILABLE that wraps client.ErrUpload", err)
	}
	wait.Receive(t, gate.BrokenOff, "the batch to be broken off")
	if err := wait.Receive(t, bed.Server.Served, "Serve"); err != nil {
		t.Errorf("Serve: %v", err)
	}
	bed.Stop(t)
	bed.Intake.RequireNoFinal(t, metadata.GetUploadId())
}

// TestShutdownEndsIdleUpload has a client that has stopped sending not keep the
// server from stopping.
func TestShutdownEndsIdleUpload(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	stream, err := bed.Service.UploadScopes(testbed.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(testbed.MetadataRequest(testbed.NewMetadata())); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bed.Server.Shutdown(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v, want the context's error", err)
	}
	if err := stream.RecvMsg(&symdbv1.UploadScopesResponse{}); status.Code(err) != codes.Unavailable {
		t.Errorf("%v, want UNAVAILABLE", err)
	}
}

// TestShutdownEndsHealthWatch has one who watches the server's health not keep
// it from stopping.
func TestShutdownEndsHealthWatch(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	watch, err := healthv1.NewHealthClient(bed.Conn).Watch(testbed.Context(t), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := watch.Recv(); err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("health is %v, %v, want SERVING", answer, err)
	}
	if err := bed.Server.Shutdown(testbed.Context(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for err == nil {
		var answer *healthv1.HealthCheckResponse
		if answer, err = watch.Recv(); err == nil && answer.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("health is %v, want NOT_SERVING", answer)
		}
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended with %v, want UNAVAILABLE", err)
	}
	if !slices.ContainsFunc(status.Convert(err).Details(), func(detail any) bool {
		info, ok := detail.(*errdetails.ErrorInfo)
		return ok && info.GetReason() == "SHUTTING_DOWN"
	}) {
		t.Errorf("the watch ended with %v, want the reason SHUTTING_DOWN", err)
	}
}

// TestShutdownWhileStreamsBegin stops a server on which streams are just being
// opened: whatever each has sent by then, it is told to go on elsewhere.
func TestShutdownWhileStreamsBegin(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	var streams sync.WaitGroup
	begun := make(chan struct{}, 1)
	for i := range 40 {
		streams.Go(func() {
			scopes := testbed.NewSource(uint64(i)).Functions(1)
			for {
				_, err := testbed.UploadOnce(testbed.Context(t), bed.Client, testbed.NewMetadata(), scopes)
				select {
				case begun <- struct{}{}:
				default:
				}
				if err != nil {
					if status.Code(err) != codes.Unavailable {
						t.Errorf("%v, want UNAVAILABLE", err)
					}
					return
				}
			}
		})
	}
	wait.Receive(t, begun, "an upload")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = bed.Server.Shutdown(ctx) // it is the clients' side that is looked at
	streams.Wait()
}

// switchProtocols answers each request with 101, and keeps the connection.
func switchProtocols(conn net.Conn) {
	readHeaders(conn)
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(io.Discard, conn)
}

// TestTerminateAfterSwitchingProtocols has intakes answer with 101, which ends no
// request for HTTP: the process ends by a signal nevertheless.
func TestTerminateAfterSwitchingProtocols(t *testing.T) {
	t.Parallel()
	switching := "http://" + testbed.StartPeer(t, switchProtocols)
	for name, test := range map[string]struct {
		intake string // empty: one that accepts
		args   []string
		want   codes.Code
	}{
		"intake":            {intake: switching, want: codes.FailedPrecondition},
		"additional intake": {args: []string{"--additional-intake", switching}, want: codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.intake == "" {
				test.intake = testbed.StartIntake(t, nil).URL()
			}
			p := testbed.StartProcess(t, test.intake, "127.0.0.1:0", append(test.args, "--shutdown-grace", "10ms")...)
			c, err := client.Dial(p.Address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = testbed.UploadOnce(testbed.Context(t), c, testbed.NewMetadata(), testbed.NewSource(62).Functions(3))
			if status.Code(err) != test.want {
				t.Errorf("%v, want %v", err, test.want)
			}
			ended := make(chan error, 1)
			go func() { ended <- p.Terminate() }()
			if err := wait.Receive(t, ended, "the process to end"); err != nil {
				t.Error(err)
			}
		})
	}
}
