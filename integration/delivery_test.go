package integration_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

func TestOneScope(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(1).Functions(1)
	summary := bed.Upload(t, metadata, scopes)
	if summary.GetUploadId() != metadata.GetUploadId() || summary.GetBatchCount() != 1 {
		t.Errorf("summary %v, want upload %s in 1 batch", summary, metadata.GetUploadId())
	}
	bed.Intake.RequireDelivered(t, summary, metadata, scopes)

	post := bed.Intake.Posts()[0]
	if post.Path != "/symdb/v1/input" || post.Header.Get("DD-API-KEY") != testbed.Canary {
		t.Errorf("posted to %q with header %v, want Path %q and %v", post.Path, post.Header, "/symdb/v1/input", testbed.Canary)
	}
}

func TestNoScope(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	_, err := testbed.Upload(testbed.Context(t), bed.Client, testbed.NewMetadata(), nil)
	bed.RequireInvalid(t, err, "STREAM_INVALID", "scope[0]")
	bed.Stop(t)
	if posts := bed.Intake.Posts(); len(posts) > 0 {
		t.Errorf("%d requests at the intake, want none", len(posts))
	}
}

func TestMetadataThatIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]*string{"absent": nil, "empty": new("")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{})
			metadata := &symdbv1.UploadMetadata{Service: "s", Language: "JAVA", UploadId: uuid.NewString(), Env: env}
			scopes := testbed.NewSource(2).Functions(2)
			bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
		})
	}
}

func TestUploadIDInHeader(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	for name, id := range map[string]string{"the client's": uuid.NewString(), "the server's": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metadata, scope := testbed.NewMetadata(), testbed.NewSource(3).Function()
			metadata.UploadId = id
			stream, err := bed.Service.UploadScopes(testbed.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(testbed.MetadataRequest(metadata)); err != nil {
				t.Fatal(err)
			}
			header, err := stream.Header() // before the first scope
			if err != nil {
				t.Fatal(err)
			}
			told := header.Get("scopegate-upload-id")
			if len(told) != 1 || uuid.Validate(told[0]) != nil || id != "" && told[0] != id {
				t.Fatalf("header has %q, want one upload_id, %q if that is given", told, id)
			}
			if err := stream.Send(testbed.ScopeRequest(scope)); err != nil {
				t.Fatal(err)
			}
			summary, err := stream.CloseAndRecv()
			if err != nil {
				t.Fatal(err)
			}
			if summary.GetUploadId() != told[0] {
				t.Errorf("summary has %q, the header %q, want %v", summary.GetUploadId(), told[0], told[0])
			}
			bed.Intake.RequireDelivered(t, summary, metadata, []*symdbv1.Scope{scope})
		})
	}
}

func TestHugeScopeInOneMessage(t *testing.T) {
	t.Parallel()
	const maxMessageBytes = 4 << 20
	bed := testbed.New(t, testbed.Options{
		Configure: threshold(64 << 10),
		Client:    []client.Option{client.WithMaxMessageBytes(maxMessageBytes)},
	})
	source := testbed.NewSource(4)
	huge := source.Package(100)
	huge.Scopes = append(huge.Scopes, source.Noise(3<<19))
	metadata, scopes := testbed.NewMetadata(), []*symdbv1.Scope{source.Function(), huge, source.Function()}
	summary := bed.Upload(t, metadata, scopes)
	batches := bed.Intake.RequireDelivered(t, summary, metadata, scopes)
	if len(batches) != 2 {
		t.Errorf("%d batches, want 2: the huge scope with the one before it, then the last", len(batches))
	}
}

func TestHugeScopeInSeveralMessages(t *testing.T) {
	t.Parallel()
	const maxMessageBytes = 32 << 10
	bed := testbed.New(t, testbed.Options{
		Configure: func(cfg *server.Config) {
			cfg.MaxScopeBytes = maxMessageBytes
			cfg.FlushThresholdBytes = 4 << 10
		},
		Client: []client.Option{client.WithMaxMessageBytes(maxMessageBytes)},
	})
	source := testbed.NewSource(5)
	root := source.Package(50)
	root.Scopes = append(root.Scopes, source.Package(100)) // must be opened itself
	root.Scopes = append(root.Scopes, source.Functions(50)...)
	scopes := []*symdbv1.Scope{source.Function(), root, source.Function()}
	metadata := testbed.NewMetadata()

	summary := bed.Upload(t, metadata, scopes)
	if summary.GetScopeCount() <= int64(len(scopes)) {
		t.Fatalf("%d scopes arrived, so none was split", summary.GetScopeCount())
	}
	batches, err := bed.Intake.Batches(summary.GetUploadId(), metadata)
	if err != nil {
		t.Fatal(err)
	}
	if err := testbed.VerifySummary(summary, batches); err != nil {
		t.Error(err)
	}
	var got, want []any
	for _, batch := range batches {
		got = append(got, batch.Scopes...)
	}
	for _, scope := range scopes {
		want = append(want, testbed.ScopeJSON(scope))
	}
	if diff := cmp.Diff(want, testbed.MergeRoots(got)); diff != "" {
		t.Errorf("what arrived in %d parts, merged, is not what was sent (-want +got):\n%s", summary.GetScopeCount(), diff)
	}
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "intake")
	intake := testbed.StartIntakeOn(t, testbed.Listen(t, "unix", socket), nil)
	bed := testbed.New(t, testbed.Options{
		Listener:  testbed.Listen(t, "unix", filepath.Join(t.TempDir(), "server")),
		IntakeURL: "unix://" + socket + ":/symdb/v1/input",
	})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(6).Functions(3)
	intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
}

func TestDirectRoute(t *testing.T) {
	t.Parallel()
	intake := testbed.StartIntake(t, nil)
	bed := testbed.New(t, testbed.Options{
		IntakeURL: "http://" + intake.Address() + "/api/v2/debugger",
		Configure: func(cfg *server.Config) {
			cfg.FlushThresholdBytes = 0
			cfg.Intake.AdditionalTags = "team:symbols,host:a"
		},
	})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(7).Functions(3)
	intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)

	requests := map[string]bool{}
	for _, post := range intake.Posts() {
		requests[post.Header.Get("DD-REQUEST-ID")] = true
		if post.Header.Get("DD-API-KEY") != testbed.Canary || post.Header.Get("DD-EVP-ORIGIN") == "" ||
			post.Header.Get("X-Datadog-Additional-Tags") != "team:symbols,host:a" {
			t.Errorf("headers %v, want the key, the origin and the tags", post.Header)
		}
	}
	if len(requests) != 3 {
		t.Errorf("%d request ids, want one for each of 3 batches", len(requests))
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	answer, err := healthv1.NewHealthClient(bed.Conn).Check(testbed.Context(t), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v, want SERVING", answer, err)
	}
}

func TestReflection(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.Access.Reflection = true }})
	stream, err := reflectionv1.NewServerReflectionClient(bed.Conn).ServerReflectionInfo(testbed.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	const service = "symdb.v1.SymbolDatabaseService"
	if !slices.ContainsFunc(answer.GetListServicesResponse().GetService(),
		func(s *reflectionv1.ServiceResponse) bool { return s.GetName() == service }) {
		t.Errorf("services %v, want %s among them", answer, service)
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
}

func TestReflectionIsOff(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{})
	stream, err := reflectionv1.NewServerReflectionClient(bed.Conn).ServerReflectionInfo(testbed.Context(t))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("%v, want UNIMPLEMENTED", err)
	}
}

// requireServing fails the test unless the server takes one more upload.
func requireServing(t *testing.T, bed *testbed.Bed) {
	t.Helper()
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(99).Functions(2)
	bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
}
