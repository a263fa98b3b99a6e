package upload

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// Every reason that a client can be told has its series from the start.
func TestOutcomesHaveAllReasons(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "status.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, o := range outcomes {
		known[string(o.Reason)] = true
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != "Reason" {
			return true
		}
		for _, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%T is no literal", value)
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !known[text] {
				t.Errorf("%s is in no series (%v)", text, err)
			}
			found++
		}
		return true
	})
	if found < 10 {
		t.Errorf("found %d reasons in status.go", found)
	}
}

// A batch that is being posted and can't be read back from the spool is not the intake's
// fault. Its client can resume.
func TestSpoolFailsInAPost(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_ context.Context, b *batch.Batch) error {
		return &intake.Error{BatchNum: b.Num, Attempts: 1, Err: fmt.Errorf("%w: the disk fails", intake.ErrUnreadable)}
	}, nil)
	stream := s.begin(t)
	stream.send(t, 2)
	_, err := stream.CloseAndRecv()
	if got := OutcomeOf(err); got != (Outcome{codes.ResourceExhausted, ReasonOverloaded}) {
		t.Errorf("%v, want %s, %s", err, codes.ResourceExhausted, ReasonOverloaded)
	}
	resumable := slices.ContainsFunc(status.Convert(err).Details(), func(detail any) bool {
		progress, ok := detail.(*symdbv1.UploadProgress)
		return ok && progress.GetAcceptedScopeCount() == 0 && progress.GetNextBatchNum() == 1
	})
	if !resumable {
		t.Errorf("%v, want the progress", err)
	}
	if end := s.awaitEnd(t); !errors.Is(end.Err, intake.ErrUnreadable) {
		t.Errorf("ended with %v, want %v", end.Err, intake.ErrUnreadable)
	}
}

// gRPC itself refuses a message that is far too long. The upload is counted and logged with
// the code that its client was told, and its scopes as refused.
func TestMessageLongerThanGRPCReceives(t *testing.T) {
	t.Parallel()
	const defaultMaxBytes = 4 << 20 // of gRPC
	s := serve(t, accept, nil)
	stream := s.begin(t)
	stream.send(t, 2)
	scope := &symdbv1.Scope{ScopeType: "package", Name: new(strings.Repeat("n", defaultMaxBytes))}
	if err := stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%v, want %s", err, codes.ResourceExhausted)
	}
	want := Outcome{codes.ResourceExhausted, ReasonScopeTooLarge}
	if end := s.awaitEnd(t); end.Outcome != want || !slices.Contains(Outcomes(), end.Outcome) {
		t.Errorf("ended as %v (%v), want %v", end.Outcome, end.Err, want)
	}
	await(t, "it to be closed", func() bool { return s.InFlight() == 0 })
	if refused := s.Counts.ScopesRefused.Load(); refused != 2 {
		t.Errorf("%d scopes are refused, want 2", refused)
	}
}

// A client whose batch is not even sent, because the intake has asked for a pause, is told
// how long that lasts.
func TestHeldBatchTellsThePause(t *testing.T) {
	t.Parallel()
	const pause = 40 * time.Second
	throttling := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(throttling.Close)
	client, err := intake.New(intake.Config{
		URL: throttling.URL, PostTimeout: patience, BatchDeadline: pause / 4, MaxConnections: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s := serve(t, func(ctx context.Context, b *batch.Batch) error {
		return client.Forward(ctx, intake.Caller{}, b)
	}, nil)
	for _, attempt := range []string{"throttled", "held"} {
		stream := s.begin(t)
		stream.send(t, 2)
		_, err := stream.CloseAndRecv()
		if got, want := OutcomeOf(err), (Outcome{codes.Unavailable, ReasonIntakeUnavailable}); got != want {
			t.Errorf("%s: %v, want %v", attempt, err, want)
		}
		var delay time.Duration
		for _, detail := range status.Convert(err).Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				delay = info.GetRetryDelay().AsDuration()
			}
		}
		if delay <= pause/4 || delay > pause {
			t.Errorf("%s: the client shall wait for %v, want %v or a little less", attempt, delay, pause)
		}
		s.awaitEnd(t)
		await(t, "it to be closed", func() bool { return s.InFlight() == 0 })
	}
}

// A 413 that leaves open whether the intake has the batch is the intake's failure.
func TestTooLargeInDoubt(t *testing.T) {
	t.Parallel()
	err := Status(errTooLargeInDoubt, &symdbv1.UploadProgress{NextBatchNum: 2})
	if got, want := OutcomeOf(err), (Outcome{codes.Unavailable, ReasonIntakeUnavailable}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	named := false
	for _, detail := range status.Convert(err).Details() {
		switch d := detail.(type) {
		case *symdbv1.IntakeFailure:
			named = d.GetHttpStatus() == http.StatusRequestEntityTooLarge
		case *symdbv1.UploadProgress:
			t.Errorf("progress %v, want none: it is in doubt", d)
		}
	}
	if !named {
		t.Errorf("%v has no IntakeFailure with 413", err)
	}
}
