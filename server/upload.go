package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// uploadIDHeader tells the client its upload's identity before the first scope.
const uploadIDHeader = "scopegate-upload-id"

// forwarder takes a batch to wherever batches go. It returns nil when the batch
// is accepted there, and does not read it any more once it has returned.
type forwarder interface {
	Forward(context.Context, *batch.Batch) error
}

type uploadStream = grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]

// UploadScopes serves one upload.
func (s *service) UploadScopes(rpc uploadStream) error {
	up := &upload{service: s, stream: stream{
		rpc: rpc, maxScopeBytes: s.config.MaxScopeBytes, maxMetadataBytes: s.config.MaxMetadataBytes,
	}}
	up.delivery = newDelivery(rpc.Context(), s)
	ended := make(chan error, 1)
	s.streams.Go(func() { ended <- up.run() })
	// Only returning from here ends a read from a client that sends nothing, so
	// a batch that fails meanwhile is not left waiting for the next scope.
	select {
	case err := <-ended:
		if err != nil {
			return publicStatus(err)
		}
		return rpc.SendAndClose(&up.summary)
	case <-up.delivery.broken:
		return publicStatus(up.delivery.err)
	}
}

// upload is one upload in flight. Its goroutine is the one that runs run.
type upload struct {
	service  *service
	stream   stream
	delivery *delivery
	batches  *batch.Assembler
	summary  symdbv1.UploadScopesResponse
}

// run is an upload's whole way, from its metadata to the answer. It returns when
// the intake has accepted the final batch, or with what went wrong.
func (u *upload) run() (err error) {
	defer u.stream.frame.release()
	defer u.delivery.stop()
	defer u.service.catch(u.stream.rpc.Context(), &err)

	if err := u.begin(); err != nil {
		return err
	}
	defer u.batches.Discard()
	for {
		scope, err := u.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if u.batches.Full() { // and, as there is another scope, not the final one
			if err := u.forward(false); err != nil {
				return err
			}
		}
		u.batches.Add(scope)
		u.stream.frame.release()
	}
	if u.batches.Empty() {
		return u.stream.invalid("required: an upload has at least one scope")
	}
	if err := u.forward(true); err != nil {
		return err
	}
	return u.delivery.wait()
}

// begin reads the metadata and tells the client the upload's identity.
func (u *upload) begin() error {
	md, err := u.stream.metadata()
	if err != nil {
		return err
	}
	header, err := newHeader(md)
	if err != nil {
		return err
	}
	u.summary.UploadId = header.UploadID
	u.batches = batch.NewAssembler(header, u.service.policy, u.service.compressors)
	if err := u.stream.rpc.SendHeader(metadata.Pairs(uploadIDHeader, header.UploadID)); err != nil {
		return fmt.Errorf("send header: %w", err)
	}
	return nil
}

// next receives the next scope and checks it.
func (u *upload) next() (transcode.Checked, error) {
	wire, err := u.stream.next()
	if err != nil {
		return transcode.Checked{}, err
	}
	scope, err := u.service.plan.Check(wire, u.service.config.MaxDepth)
	if err != nil {
		return transcode.Checked{}, scopeError(u.stream.scopes-1, err)
	}
	return scope, nil
}

// forward seals the open batch and sends it on its way, once the batch before
// it is accepted.
func (u *upload) forward(final bool) error {
	b := u.batches.Seal(final)
	u.summary.ScopeCount += b.ScopeCount
	u.summary.BatchCount = b.Num
	u.summary.RawBytes += b.RawBytes
	u.summary.CompressedBytes += int64(b.File.Len())
	return u.delivery.send(b)
}
