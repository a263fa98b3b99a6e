package integration_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// announced returns what stands in front of an intake and tells when something
// has been accepted there.
func announced() (testbed.Fault, <-chan struct{}) {
	arrived := make(chan struct{}, 1)
	return func(w http.ResponseWriter, r *http.Request, _ testbed.Post, accept http.HandlerFunc) {
		accept(w, r)
		select {
		case arrived <- struct{}{}:
		default:
		}
	}, arrived
}

// TestAgedBatch keeps a stream open: what it has sent arrives all the same, but
// for the newest scope, and the final batch has that one. The server says how old a
// batch may grow, or the upload itself.
func TestAgedBatch(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]struct{ server, own time.Duration }{
		"the server's":     {server: 20 * time.Millisecond},
		"the upload's own": {server: time.Hour, own: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault, arrived := announced()
			bed := testbed.New(t, testbed.Options{
				Configure: func(cfg *server.Config) { cfg.MaxBatchAge = age.server },
				Fault:     fault,
			})
			metadata, scopes := testbed.NewMetadata(), testbed.NewSource(70).Functions(3)
			if age.own > 0 {
				metadata.MaxBatchAge = durationpb.New(age.own)
			}
			up, err := testbed.Open(testbed.Context(t), bed.Client, metadata)
			if err != nil {
				t.Fatal(err)
			}
			defer up.Cancel()
			for _, scope := range scopes {
				if err := up.Send(scope); err != nil {
					t.Fatal(err)
				}
			}
			wait.Receive(t, arrived, "the aged batch")
			result, err := up.CloseAndReceive()
			if err != nil {
				t.Fatal(err)
			}
			if result.BatchCount < 2 {
				t.Errorf("%d batches, want the aged one and the final one", result.BatchCount)
			}
			bed.Intake.RequireDelivered(t, testbed.Summary(result), metadata, scopes)
		})
	}
}

// uploadPart sends one stream of an upload.
func uploadPart(
	t *testing.T, bed *testbed.Bed, metadata *symdbv1.UploadMetadata, scopes []*symdbv1.Scope,
	change func(*symdbv1.UploadMetadata),
) (*symdbv1.UploadScopesResponse, error) {
	t.Helper()
	part := proto.CloneOf(metadata)
	change(part)
	return testbed.UploadOnce(testbed.Context(t), bed.Client, part, scopes)
}

// TestSeveralStreams sends one upload in three streams, the middle one of which
// is a single batch, and is sent twice.
func TestSeveralStreams(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: threshold(0)})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(71).Functions(9)
	metadata.UploadId = uuid.NewString()
	first, err := uploadPart(t, bed, metadata, scopes[:3], func(md *symdbv1.UploadMetadata) { md.MoreFollows = true })
	if err != nil {
		t.Fatal(err)
	}
	if first.GetBatchCount() != 3 {
		t.Fatalf("%d batches in the first stream, want 3", first.GetBatchCount())
	}
	for range 2 {
		middle, err := uploadPart(t, bed, metadata, scopes[3:7], func(md *symdbv1.UploadMetadata) {
			md.FirstBatchNum, md.MoreFollows, md.SingleBatch = 4, true, true
		})
		if err != nil {
			t.Fatal(err)
		}
		if middle.GetBatchCount() != 1 || middle.GetScopeCount() != 4 {
			t.Fatalf("the single batch: %v, want BatchCount 1 and ScopeCount 4", middle)
		}
	}
	bed.Intake.RequireNoFinal(t, metadata.GetUploadId())
	if _, err := uploadPart(t, bed, metadata, scopes[7:], func(md *symdbv1.UploadMetadata) { md.FirstBatchNum = 5 }); err != nil {
		t.Fatal(err)
	}
	if err := bed.Intake.VerifyMerged(metadata.GetUploadId(), metadata, scopes); err != nil {
		t.Error(err)
	}
	stored, _ := bed.Intake.Store.Upload(metadata.GetUploadId())
	if stored.RepeatCount != 1 || len(stored.Violations) > 0 {
		t.Errorf("%d repeats and violations %v, want one repeat", stored.RepeatCount, stored.Violations)
	}
}

func TestSingleBatchTooLarge(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.MaxBatchBytes = 64 << 10 }})
	metadata := testbed.NewMetadata()
	metadata.UploadId = uuid.NewString()
	source := testbed.NewSource(72)
	_, err := uploadPart(t, bed, metadata, []*symdbv1.Scope{source.Noise(300 << 10), source.Function()},
		func(md *symdbv1.UploadMetadata) { md.SingleBatch = true })
	bed.RequireInvalid(t, err, "BATCH_TOO_LARGE", "metadata.single_batch")
	for _, detail := range bed.RequireStatus(t, err, codes.InvalidArgument, "BATCH_TOO_LARGE").Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetMetadata()["max_batch_bytes"] != "65536" {
			t.Errorf("ErrorInfo's metadata is %v, want the limit", info.GetMetadata())
		}
	}
}

// TestStreamIsGivenBack ends streams that are in order, and goes on in others.
func TestStreamIsGivenBack(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reason    string
		configure func(*server.Config)
		end       func(*testing.T, *testbed.Bed)
	}{
		"server stops": {
			reason:    "SHUTTING_DOWN",
			configure: func(*server.Config) {},
			end: func(t *testing.T, bed *testbed.Bed) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_ = bed.Server.Shutdown(ctx) // it is the client's side that is looked at
			},
		},
		"connection is old": {
			reason:    "CONNECTION_AGE",
			configure: func(cfg *server.Config) { cfg.MaxConnectionAge = 2 * time.Second },
			end:       func(*testing.T, *testbed.Bed) {},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fault, arrived := announced()
			bed := testbed.New(t, testbed.Options{Fault: fault, Configure: func(cfg *server.Config) {
				cfg.FlushThresholdBytes = 0
				test.configure(cfg)
			}})
			metadata, source := testbed.NewMetadata(), testbed.NewSource(73)
			metadata.UploadId = uuid.NewString()
			up, err := testbed.Open(testbed.Context(t), bed.Client, metadata)
			if err != nil {
				t.Fatal(err)
			}
			defer up.Cancel()
			var sent []*symdbv1.Scope
			send := func() error {
				sent = append(sent, source.Function())
				return up.Send(sent[len(sent)-1])
			}
			err = errors.Join(send(), send())
			wait.Receive(t, arrived, "the first batch") // before its metadata is read, a stream has no progress
			test.end(t, bed)
			ticker := time.NewTicker(5 * time.Millisecond)
			defer ticker.Stop()
			for ; err == nil; err = send() {
				<-ticker.C
			}
			_, err = up.CloseAndReceive()
			bed.RequireStatus(t, err, codes.Unavailable, test.reason)
			progress := testbed.Progress(err)
			accepted := int(progress.GetAcceptedScopeCount())
			if progress.GetUploadId() != metadata.GetUploadId() || accepted >= len(sent) {
				t.Fatalf("progress %v of %d scopes sent, want fewer, of upload %s", progress, len(sent), metadata.GetUploadId())
			}
			metadata.FirstBatchNum = progress.GetNextBatchNum()
			second := testbed.StartServer(t, bed.Intake.URL(), nil, threshold(0))
			if _, err := testbed.UploadOnce(testbed.Context(t), second.Client(t), metadata, sent[accepted:]); err != nil {
				t.Fatal(err)
			}
			if err := bed.Intake.VerifyMerged(metadata.GetUploadId(), metadata, sent); err != nil {
				t.Error(err)
			}
		})
	}
}
