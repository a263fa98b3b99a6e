package baseline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

const postTimeout = 30 * time.Second

// Service implements the API with the baseline's design. It forwards only whole
// uploads: it supports neither several streams of an upload nor single batches, and
// does not retry.
type Service struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer

	intakeURL string
	client    *http.Client
}

// NewService returns a service that posts batches to the URL of an intake.
func NewService(intakeURL string) *Service {
	return &Service{intakeURL: intakeURL, client: &http.Client{Timeout: postTimeout}}
}

// UploadScopes decodes each message, and posts a batch whenever one is full and
// when the stream ends.
func (s *Service) UploadScopes(
	stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse],
) error {
	first, err := stream.Recv()
	if err != nil {
		return endOfStream(err, "the stream has no metadata")
	}
	md := first.GetMetadata()
	if md.GetService() == "" || md.GetLanguage() == "" {
		return status.Error(codes.InvalidArgument, "the first message is not metadata with a service and a language")
	}
	if md.GetUploadId() == "" {
		md.UploadId = uuid.NewString()
	}
	if err := stream.SendHeader(metadata.Pairs("scopegate-upload-id", md.GetUploadId())); err != nil {
		return err
	}
	up := &upload{service: s, metadata: md, batch: newBatch(), summary: &symdbv1.UploadScopesResponse{UploadId: md.GetUploadId()}}
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if request.GetScope() == nil {
			return status.Error(codes.InvalidArgument, "a message after the first one has no scope")
		}
		if err := up.add(stream.Context(), request.GetScope()); err != nil {
			return err
		}
	}
	if up.summary.GetScopeCount() == 0 {
		return status.Error(codes.InvalidArgument, "the upload has no scope")
	}
	if err := up.forward(stream.Context(), true); err != nil {
		return err
	}
	return stream.SendAndClose(up.summary)
}

func endOfStream(err error, message string) error {
	if errors.Is(err, io.EOF) {
		return status.Error(codes.InvalidArgument, message)
	}
	return err
}

type upload struct {
	service  *Service
	metadata *symdbv1.UploadMetadata
	batch    *batch
	summary  *symdbv1.UploadScopesResponse
}

// add writes a scope. A full batch is forwarded only when the next scope has arrived,
// because until then it may be the final one.
func (u *upload) add(ctx context.Context, scope *symdbv1.Scope) error {
	if u.batch.full() {
		if err := u.forward(ctx, false); err != nil {
			return err
		}
	}
	if err := u.batch.add(u.metadata, int(u.summary.GetBatchCount())+1, scope); err != nil {
		return status.Errorf(codes.Internal, "encode scope: %v", err)
	}
	u.summary.ScopeCount++
	return nil
}

func (u *upload) forward(ctx context.Context, final bool) error {
	batchNum := int(u.summary.GetBatchCount()) + 1
	if err := u.batch.end(final); err != nil {
		return status.Errorf(codes.Internal, "end batch %d: %v", batchNum, err)
	}
	if err := u.service.post(ctx, u.metadata, batchNum, final, u.batch.compressed.Bytes()); err != nil {
		return status.Errorf(codes.Unavailable, "forward batch %d: %v", batchNum, err)
	}
	u.summary.BatchCount++
	u.summary.RawBytes += u.batch.raw.written
	u.summary.CompressedBytes += int64(u.batch.compressed.Len())
	u.batch.reset()
	return nil
}

func (s *Service) post(ctx context.Context, md *symdbv1.UploadMetadata, batchNum int, final bool, file []byte) error {
	form, contentType, err := newForm(md, batchNum, final, file)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.intakeURL, form)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// A connection is reused only after its response was read.
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the intake answered %d", response.StatusCode)
	}
	return nil
}
