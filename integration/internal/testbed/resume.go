package testbed

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Journey is the course of an upload in any number of streams.
type Journey struct {
	// UploadID is the identity of the whole upload.
	UploadID string
	// Abandoned are the identities under which it was begun before.
	Abandoned []string
	// Streams is the number of streams.
	Streams int
	// Failures are the statuses of all streams except the last.
	Failures []error
	// Summary is from the last stream.
	Summary *symdbv1.UploadScopesResponse
}

// Delivery is a way to upload scopes: [Resuming.Pull], what [Resuming.Push] returns,
// [Bed.Pull].
type Delivery func(context.Context, *symdbv1.UploadMetadata, []*symdbv1.Scope) (Journey, error)

// Deliver uploads the scopes under new metadata. It also fails if the intake does not have
// them whole, see [Intake.VerifyJourney].
func Deliver(ctx context.Context, in *Intake, deliver Delivery, scopes []*symdbv1.Scope) (Journey, error) {
	metadata := NewMetadata()
	journey, err := deliver(ctx, metadata, scopes)
	if err == nil {
		err = in.VerifyJourney(journey, metadata, scopes)
	}
	return journey, err
}

// Resuming is a client written from the protocol alone, which resumes after faults until
// the upload is done or the context is. Only the connection must be set.
type Resuming struct {
	Conn grpc.ClientConnInterface
	// Sent, if not nil, is called before each scope with the number of scopes sent in the
	// stream so far.
	Sent func(count int)
	// MaxPause bounds the pause before another stream, whatever the server asks for. 0:
	// 20 ms.
	MaxPause time.Duration
}

// Pull uploads the scopes in streams of any number of batches. If the progress of a failed
// stream is known it resumes, and otherwise starts over under a new identity.
func (r Resuming) Pull(
	ctx context.Context, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) (Journey, error) {
	j := Journey{UploadID: metadata.GetUploadId()}
	accepted, next := 0, int32(0)
	for {
		md := proto.CloneOf(metadata)
		md.UploadId, md.FirstBatchNum = j.UploadID, next
		err := r.stream(ctx, &j, md, scopes[accepted:])
		if err == nil {
			return j, nil
		}
		switch progress := Progress(err); {
		case progress != nil && progress.GetUploadId() == "": // the stream was not read
		case progress != nil:
			if progress.GetUploadId() != j.UploadID || progress.GetNextBatchNum() < max(1, next) ||
				progress.GetAcceptedScopeCount() >= int64(len(scopes)-accepted) {
				return j, fmt.Errorf("progress of %d scopes at %d is %v: %w", len(scopes), accepted, progress, err)
			}
			accepted += int(progress.GetAcceptedScopeCount())
			next = progress.GetNextBatchNum()
		default:
			j.Abandoned = append(j.Abandoned, j.UploadID)
			j.UploadID, accepted, next = uuid.NewString(), 0, 0
		}
		if err := r.pause(ctx, err); err != nil {
			return j, err
		}
	}
}

// Push returns a delivery in streams of one batch each, of that many scopes. It
// repeats a stream until it is accepted.
func (r Resuming) Push(batchScopes int) Delivery {
	return func(ctx context.Context, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope) (Journey, error) {
		j := Journey{UploadID: metadata.GetUploadId()}
		for num := int32(1); len(scopes) > 0; num++ {
			count := min(batchScopes, len(scopes))
			md := proto.CloneOf(metadata)
			md.FirstBatchNum, md.SingleBatch, md.MoreFollows = num, true, count < len(scopes)
			for {
				err := r.stream(ctx, &j, md, scopes[:count])
				if err == nil {
					break
				}
				if err := r.pause(ctx, err); err != nil {
					return j, err
				}
			}
			scopes = scopes[count:]
		}
		return j, nil
	}
}

// stream sends one stream. pause decides whether its error is worth another one.
func (r Resuming) stream(
	ctx context.Context, j *Journey, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
) (err error) {
	j.Streams++
	defer func() {
		if err != nil {
			j.Failures = append(j.Failures, err)
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Without a buffer gRPC can't replay a stream on a new connection, where the server
	// would wait for the rest of it.
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(r.Conn).UploadScopes(ctx,
		grpc.WaitForReady(true), grpc.MaxRetryRPCBufferSize(0))
	if err != nil {
		return err
	}
	sendErr := stream.Send(MetadataRequest(metadata))
	for i, scope := range scopes {
		if sendErr != nil {
			break // RecvMsg returns the reason
		}
		if r.Sent != nil {
			r.Sent(i)
		}
		sendErr = stream.Send(ScopeRequest(scope))
	}
	if sendErr == nil {
		sendErr = stream.CloseSend()
	}
	j.Summary = &symdbv1.UploadScopesResponse{}
	if err := stream.RecvMsg(j.Summary); err != nil {
		return err
	}
	if sendErr != nil {
		return fmt.Errorf("the server answered OK, although sending the stream failed: %w", sendErr)
	}
	return nil
}

// pause waits before another stream, or fails if there is to be none.
func (r Resuming) pause(ctx context.Context, failed error) error {
	if code := status.Code(failed); code != codes.Unavailable && code != codes.ResourceExhausted {
		return failed
	}
	limit := r.MaxPause
	if limit == 0 {
		limit = 20 * time.Millisecond
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w; before: %w", ctx.Err(), failed)
	}
}
