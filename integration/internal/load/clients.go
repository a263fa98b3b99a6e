package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/wire"
)

// UploadTimeout bounds a run. It is far above the time that all uploads take.
const UploadTimeout = 2 * time.Minute

// Plan is how clients load a server.
type Plan struct {
	// Uploads is how many uploads to make, AtOnce how many at a time. If uploads are
	// held open, AtOnce is how many send at a time.
	Uploads, AtOnce, Connections int
	// Settle and Hold are how long all uploads stay open after all messages were sent:
	// first until the server has processed them, then idle. If both are 0, each upload
	// ends when its messages are sent.
	Settle, Hold time.Duration
	// OnSettled and OnHeld, if not nil, are called at the end of these times.
	OnSettled, OnHeld func() error
}

// Outcome is the outcome of a run as its clients see it.
type Outcome struct {
	// Began is when the first upload was opened, Took the time until the last one was
	// answered, and SentAfter the time until gRPC had accepted the last message. At
	// most the streams' windows are not sent or not read by then: 128 KiB an upload.
	Began           time.Time
	Took, SentAfter time.Duration
	// Latencies are the times of all uploads from opening, or from their end if they
	// were held open, to the answer.
	Latencies []time.Duration
	// Failures counts the statuses other than OK, by their text.
	Failures map[string]int
	// RetryCount is how often an upload was retried because the server asked for it with
	// a google.rpc.RetryInfo.
	RetryCount int
}

// Run makes all uploads of a plan, and returns when all are answered. Failed uploads are
// part of the outcome; an error means that the run itself failed.
func Run(ctx context.Context, plan Plan, sent Payload, address string) (_ Outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, UploadTimeout)
	defer cancel()
	c := &clients{
		plan: plan, sent: sent,
		slots: make(chan struct{}, plan.AtOnce), release: make(chan struct{}),
		outcome: Outcome{Failures: map[string]int{}},
	}
	for range plan.Connections {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return Outcome{}, err
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		c.conns = append(c.conns, conn)
	}
	c.outcome.Began = time.Now()
	c.sending.Add(plan.Uploads)
	var uploading sync.WaitGroup
	for i := range plan.Uploads {
		uploading.Go(func() { c.upload(ctx, c.conns[i%len(c.conns)]) })
	}
	if plan.holds() {
		err = c.hold(ctx)
	}
	uploading.Wait()
	c.outcome.Took = time.Since(c.outcome.Began)
	return c.outcome, err
}

func (p Plan) holds() bool { return p.Settle > 0 || p.Hold > 0 }

// clients is a run.
type clients struct {
	plan  Plan
	sent  Payload
	conns []*grpc.ClientConn
	// slots has a token for each upload in progress.
	slots chan struct{}
	// sending counts the uploads whose messages are not yet sent. release is closed
	// to end held uploads.
	sending sync.WaitGroup
	release chan struct{}

	mu      sync.Mutex
	outcome Outcome
}

// hold waits until all messages are sent, and then for the times of the plan.
func (c *clients) hold(ctx context.Context) error {
	defer close(c.release)
	c.sending.Wait()
	for _, stage := range []struct {
		lasts time.Duration
		over  func() error
	}{{c.plan.Settle, c.plan.OnSettled}, {c.plan.Hold, c.plan.OnHeld}} {
		if err := wait(ctx, stage.lasts); err != nil {
			return err
		}
		if stage.over == nil {
			continue
		}
		if err := stage.over(); err != nil {
			return err
		}
	}
	return nil
}

// upload makes an upload, and retries as long as the server asks for it.
func (c *clients) upload(ctx context.Context, conn *grpc.ClientConn) {
	c.slots <- struct{}{}
	leave := sync.OnceFunc(func() { <-c.slots })
	defer leave()
	sentOnce := sync.OnceFunc(c.sending.Done)
	defer sentOnce()
	began := time.Now()
	sent := func() {
		c.noteSent()
		sentOnce()
		if c.plan.holds() {
			leave()
			<-c.release
			began = time.Now()
		}
	}
	for {
		err := c.try(ctx, conn, sent)
		delay, asked := retryDelay(err)
		again := asked && wait(ctx, delay) == nil
		c.noteAnswer(again, err, began)
		if !again {
			return
		}
	}
}

func (c *clients) noteAnswer(again bool, err error, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case again:
		c.outcome.RetryCount++
		return
	case err != nil:
		c.outcome.Failures[err.Error()]++
	}
	c.outcome.Latencies = append(c.outcome.Latencies, time.Since(began))
}

// noteSent records that an upload's messages are sent. After the release, only retries
// send.
func (c *clients) noteSent() {
	select {
	case <-c.release:
		return
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome.SentAfter = time.Since(c.outcome.Began)
}

// try makes an upload once. It calls sent when all its messages are sent.
func (c *clients) try(ctx context.Context, conn *grpc.ClientConn, sent func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &symdbv1.SymbolDatabaseService_ServiceDesc.Streams[0],
		symdbv1.SymbolDatabaseService_UploadScopes_FullMethodName, grpc.ForceCodecV2(wire.Codec{}))
	if err != nil {
		return err
	}
	for _, message := range c.sent.Messages {
		err := stream.SendMsg(message)
		if errors.Is(err, io.EOF) {
			return stream.RecvMsg(&symdbv1.UploadScopesResponse{}) // it has the status
		}
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	sent()
	if err := stream.CloseSend(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return stream.RecvMsg(&symdbv1.UploadScopesResponse{})
}

// retryDelay returns how long the server asks to wait before a retry, if it does.
func retryDelay(err error) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	for _, detail := range status.Convert(err).Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			return retry.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
