package client_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// requireEvents compares events, except the parts that differ between runs.
func requireEvents(t *testing.T, got []client.RetryEvent, want ...client.RetryEvent) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(client.RetryEvent{}, "Err", "Wait", "UploadID")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// pull uploads scopes on a fake clock, and returns the retries too.
func pull(
	t *testing.T, s grpc.ClientConnInterface, md client.Metadata, scopes iter.Seq2[*symdbv1.Scope, error], options ...client.Option,
) (result client.Result, events []client.RetryEvent, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options = append(options, client.WithOnRetry(func(e client.RetryEvent) { events = append(events, e) }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		result, err = newClient(t, s).Upload(ctx, md, scopes, options...)
	})
	return result, events, err
}

func TestResumeKnownProgress(t *testing.T) {
	t.Parallel()
	s := &script{answer: failing(
		failure(t, codes.Unavailable, reason("SHUTTING_DOWN"), retryAfter(time.Minute), progress(testID, 2, 3)),
		failure(t, codes.ResourceExhausted, reason("OVERLOADED"), progress(testID, 0, 3)),
		failure(t, codes.Unavailable, reason("CONNECTION_AGE"), progress(testID, 1, 4)),
	)}
	result, events, err := pull(t, s, identified(), sequence(scope("a"), scope("b"), scope("c"), scope("d"), scope("e")))
	if err != nil {
		t.Fatal(err)
	}
	checkTranscript(t, s, "1f a b c d e", "3f c d e", "3f c d e", "4f d e")
	want := client.Result{UploadID: testID, ScopeCount: 5, BatchCount: 4, RawBytes: 100, CompressedBytes: 10}
	if result != want {
		t.Errorf("result %+v, want %+v", result, want)
	}
	requireEvents(t, events,
		client.RetryEvent{AcceptedScopeCount: 2, FirstBatchNum: 3},
		client.RetryEvent{AcceptedScopeCount: 2, FirstBatchNum: 3, FailureCount: 1},
		client.RetryEvent{AcceptedScopeCount: 3, FirstBatchNum: 4})
	if streams := s.sent(); streams[1].at.Sub(streams[0].at) < time.Minute {
		t.Error("RetryInfo was not obeyed")
	}
}

// TestResumeInsideScope resumes between the parts of one scope.
func TestResumeInsideScope(t *testing.T) {
	t.Parallel()
	s := &script{}
	s.answer = func(_ context.Context, sent sentStream) error {
		if sent.ordinal == 0 {
			return failure(t, codes.Unavailable, progress(testID, 3, 2))
		}
		return nil
	}
	var children []*symdbv1.Scope
	for range 100 {
		children = append(children, scope(strings.Repeat("c", 40)))
	}
	result, _, err := pull(t, s, identified(), sequence(scope("a"), scope("large", children...), scope("z")), client.WithMaxMessageBytes(512))
	if err != nil {
		t.Fatal(err)
	}
	streams := s.sent()
	first, second := streams[0].scopes, streams[1].scopes
	if len(first) < 8 || len(second) != len(first)-3 || result.ScopeCount != int64(len(first)) {
		t.Fatalf("%d messages, then %d; result %+v, want at least 8 first, %v second and ScopeCount %v", len(first), len(second), result, len(first)-3, int64(len(first)))
	}
	for i, message := range second {
		if message.String() != first[i+3].String() {
			t.Errorf("message %d of the second stream differs", i)
		}
	}
}

// TestResumeUnread repeats a stream that the server aborted before it read anything.
func TestResumeUnread(t *testing.T) {
	t.Parallel()
	s := &script{answer: failing(
		failure(t, codes.Unavailable, progress(testID, 1, 2)),
		failure(t, codes.ResourceExhausted, &errdetails.ErrorInfo{Reason: "OVERLOADED"}, progress("", 0, 0)),
	)}
	result, events, err := pull(t, s, identified(), sequence(scope("a"), scope("b"), scope("c")))
	if err != nil {
		t.Fatal(err)
	}
	checkTranscript(t, s, "1f a b c", "2f b c", "2f b c")
	requireEvents(t, events,
		client.RetryEvent{AcceptedScopeCount: 1, FirstBatchNum: 2},
		client.RetryEvent{AcceptedScopeCount: 1, FirstBatchNum: 2, FailureCount: 1})
	if result.UploadID != testID || result.ScopeCount != 3 {
		t.Errorf("result %+v, want UploadID %v and ScopeCount 3", result, testID)
	}
}

func TestResumeUnknownProgress(t *testing.T) {
	t.Parallel()
	for name, answered := range map[string]error{
		"no details":        failure(t, codes.Unavailable),
		"reset":             failure(t, codes.Internal),
		"another upload":    failure(t, codes.Unavailable, progress("another", 1, 2)),
		"more than sent":    failure(t, codes.Unavailable, progress(testID, 3, 2)),
		"all but no final":  failure(t, codes.Unavailable, progress(testID, 2, 2)),
		"less than nothing": failure(t, codes.Unavailable, progress(testID, -1, 2)),
		"number not used":   failure(t, codes.Unavailable, progress(testID, 0, 2)),
		"nameless":          failure(t, codes.Unavailable, progress("", 1, 2)),
		"number used":       failure(t, codes.Unavailable, progress(testID, 1, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answer: failing(answered)}
			result, events, err := pull(t, s, identified(), sequence(scope("a"), scope("b")))
			if err != nil {
				t.Fatal(err)
			}
			checkTranscript(t, s, "1f a b", "1f a b")
			if id := s.sent()[1].md.GetUploadId(); id == testID || id != result.UploadID {
				t.Errorf("started over under %s, want another id than before, and that of the result: %+v", id, result)
			}
			requireEvents(t, events, client.RetryEvent{StartsOver: true, FirstBatchNum: 1, FailureCount: 1})
			if result.ScopeCount != 2 {
				t.Errorf("result %+v, want 2 scopes", result)
			}
		})
	}
}

// unreachable is a script in which one stream finds no connection.
type unreachable struct {
	*script

	ordinal, begun int
}

func (u *unreachable) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	u.begun++
	if u.begun == u.ordinal+1 {
		return nil, status.Error(codes.Unavailable, "connection refused")
	}
	return u.script.NewStream(ctx, desc, method, options...)
}

// TestResumeFindsNoConnection: the known progress is kept if a stream can't be opened.
func TestResumeFindsNoConnection(t *testing.T) {
	t.Parallel()
	for name, ordinal := range map[string]int{"at first": 0, "later": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answer: failing(failure(t, codes.Unavailable, progress(testID, 2, 3)))}
			u := &unreachable{script: s, ordinal: ordinal}
			result, events, err := pull(t, u, identified(), sequence(scope("a"), scope("b"), scope("c")))
			if err != nil || result.UploadID != testID || result.ScopeCount != 3 {
				t.Fatalf("%+v, %v, want UploadID %v and ScopeCount 3", result, err, testID)
			}
			checkTranscript(t, s, "1f a b c", "3f c")
			if len(events) != 2 || events[0].StartsOver || events[1].StartsOver {
				t.Errorf("events %+v, want two that don't start over", events)
			}
		})
	}
}

func TestResumeIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answered error
		options  []client.Option
	}{
		"WithoutResume":       {failure(t, codes.Unavailable, progress(testID, 1, 2)), []client.Option{client.WithoutResume()}},
		"input":               {failure(t, codes.InvalidArgument, reason("SCOPE_INVALID")), nil},
		"intake refused":      {failure(t, codes.FailedPrecondition, &symdbv1.IntakeFailure{HttpStatus: 403}), nil},
		"fault of the server": {failure(t, codes.Internal, reason("INTERNAL")), nil},
		"one attempt":         {failure(t, codes.Unavailable), []client.Option{client.WithMaxAttempts(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answer: failing(test.answered)}
			_, events, err := pull(t, s, identified(), sequence(scope("a"), scope("b")), test.options...)
			if status.Code(err) != status.Code(test.answered) || len(events) != 0 || len(s.sent()) != 1 {
				t.Errorf("got %v after %d streams and %d events, want %v after 1 and 0", err, len(s.sent()), len(events), test.answered)
			}
		})
	}
}

// TestRetryDelayIsBounded: the server asks for delays that are too long or invalid.
func TestRetryDelayIsBounded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		asked *durationpb.Duration
		want  time.Duration
	}{
		"nothing":           {nil, 0},
		"a minute":          {durationpb.New(time.Minute), time.Minute},
		"an hour":           {durationpb.New(time.Hour), client.MaxRetryDelay},
		"as long as may be": {durationpb.New(math.MaxInt64), client.MaxRetryDelay},
		"too many seconds":  {&durationpb.Duration{Seconds: math.MaxInt64, Nanos: math.MaxInt32}, client.MaxRetryDelay},
		"less than none":    {&durationpb.Duration{Seconds: math.MinInt64}, 0},
		"of both signs":     {&durationpb.Duration{Seconds: 1, Nanos: math.MinInt32}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asking := failing(failure(t, codes.Unavailable, &errdetails.RetryInfo{RetryDelay: test.asked}))
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				c := newClient(t, &script{answer: asking}, client.WithBackoff(time.Millisecond, time.Millisecond))
				if _, err := c.Upload(t.Context(), identified(), sequence(scope("a"))); err != nil {
					t.Error(err)
				}
				if waited := time.Since(began); waited < test.want || waited > test.want+time.Millisecond {
					t.Errorf("waited %v, want %v", waited, test.want)
				}
				// The client never retries before the server's delay has passed.
				ctx, cancel := context.WithCancel(t.Context())
				c = newClient(t, &script{answer: asking}, client.WithBackoff(math.MaxInt64, math.MaxInt64),
					client.WithOnRetry(func(e client.RetryEvent) {
						if e.Wait < test.want {
							t.Errorf("waits %v, want %v at least", e.Wait, test.want)
						}
						cancel()
					}))
				if _, err := c.Upload(ctx, identified(), sequence(scope("a"))); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}

// TestResumeEndsBeforeItsTime: the server asks for a delay beyond the deadline.
func TestResumeEndsBeforeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: failing(failure(t, codes.Unavailable, retryAfter(2*time.Minute)))}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err := newClient(t, s).Upload(ctx, identified(), sequence(scope("a")))
		if status.Code(err) != codes.Unavailable || len(s.sent()) != 1 || time.Since(began) > 0 {
			t.Errorf("got %v after %d streams and %v, want %v, 1 sent and none", err, len(s.sent()), time.Since(began), codes.Unavailable)
		}
	})
}

func TestResumeGivesUp(t *testing.T) {
	t.Parallel()
	down := failure(t, codes.Unavailable)
	s := &script{answer: func(context.Context, sentStream) error { return down }}
	_, events, err := pull(t, s, identified(), sequence(scope("a")))
	if !errors.Is(err, client.ErrUpload) || len(s.sent()) != client.DefaultMaxAttempts {
		t.Errorf("got %v after %d streams, want %v and %v sent", err, len(s.sent()), client.ErrUpload, client.DefaultMaxAttempts)
	}
	limit := client.DefaultFirstBackoff
	for i, e := range events {
		if e.Wait > limit || e.FailureCount != i+1 {
			t.Errorf("event %d: %+v, want a wait of at most %v", i, e, limit)
		}
		limit = min(2*limit, client.DefaultMaxBackoff)
	}
}

func TestResumeErrorSaysWhere(t *testing.T) {
	t.Parallel()
	s := &script{answer: failing(
		failure(t, codes.Unavailable, progress(testID, 2, 2)),
		failure(t, codes.InvalidArgument, reason("SCOPE_INVALID"), violations("scope[0].name")),
	)}
	_, _, err := pull(t, s, identified(), sequence(scope("a"), scope("b"), scope("c")))
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "after 2 scopes") {
		t.Errorf("got %v, want %v and %q in it", err, codes.InvalidArgument, "after 2 scopes")
	}
}

// TestResumeContext ends the context while the client waits.
func TestResumeContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: failing(failure(t, codes.Unavailable, retryAfter(time.Hour)))}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("shutting down")
		c := newClient(t, s, client.WithOnRetry(func(client.RetryEvent) { cancel(cause) }))
		_, err := c.Upload(ctx, identified(), sequence(scope("a")))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || errors.Is(err, client.ErrUpload) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSequenceChanged(t *testing.T) {
	t.Parallel()
	names := []string{"k", "l", "m", "n", "o"}
	rest := slices.Clone(names)
	order := slices.Clone(names)
	passCount := 0
	for name, yielded := range map[string]func() []string{
		"one-shot":      func() []string { took := rest; rest = nil; return took },
		"another order": func() []string { slices.Reverse(order); return order },
		"grows": func() []string {
			passCount++
			return slices.Repeat([]string{"x"}, 4+passCount)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{answer: failing(failure(t, codes.Unavailable, progress(testID, 2, 2)))}
			scopes := func(yield func(*symdbv1.Scope, error) bool) {
				for _, n := range yielded() {
					if !yield(scope(n), nil) {
						return
					}
				}
			}
			_, _, err := pull(t, s, identified(), scopes)
			if !errors.Is(err, client.ErrSequenceChanged) || !errors.Is(err, client.ErrUpload) || len(s.sent()) != 1 {
				t.Errorf("got %v after %d streams, want %v, %v and 1 sent", err, len(s.sent()), client.ErrSequenceChanged, client.ErrUpload)
			}
		})
	}
}

// TestSequenceErrorIsNotRetried: the sequence fails with the error of another upload.
func TestSequenceErrorIsNotRetried(t *testing.T) {
	t.Parallel()
	down := newClient(t, &script{answer: failing(failure(t, codes.Unavailable))}, client.WithoutResume())
	_, inner := down.Upload(t.Context(), metadata(), sequence(scope("a")))
	s := &script{answer: accepting}
	passCount := 0
	scopes := func(yield func(*symdbv1.Scope, error) bool) {
		passCount++
		yield(nil, inner)
	}
	_, _, err := pull(t, s, metadata(), scopes)
	if !errors.Is(err, inner) || passCount != 1 {
		t.Errorf("got %v after %d passes, want %v and passCount 1", err, passCount, inner)
	}
}

// lost is a connection on which streams break after the metadata: gRPC then answers each
// send with io.EOF, and may send everything again on another connection, even the end of
// the stream.
type lost struct {
	*script

	ended   bool
	options []grpc.CallOption
}

type lostStream struct {
	grpc.ClientStream

	of *lost
}

func (l *lost) NewStream(_ context.Context, _ *grpc.StreamDesc, _ string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	l.options = options
	return lostStream{of: l}, nil
}

func (lostStream) SendMsg(m any) error {
	if request, ok := m.(*symdbv1.UploadScopesRequest); ok && request.GetMetadata() != nil {
		return nil
	}
	return io.EOF
}

func (s lostStream) CloseSend() error {
	s.of.ended = true
	return nil
}

func (lostStream) RecvMsg(any) error { return status.Error(codes.Unavailable, "connection lost") }

// TestCutShortIsNotEnded: an upload that is cut short must not look complete to the server
// that receives gRPC's replay.
func TestCutShortIsNotEnded(t *testing.T) {
	t.Parallel()
	conn := &lost{}
	_, err := newClient(t, conn, client.WithoutResume()).Upload(t.Context(), metadata(), sequence(scope("a"), scope("b")))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want %v", err, codes.Unavailable)
	}
	if conn.ended {
		t.Error("the sending side was ended before everything was sent")
	}
	if !slices.Contains(conn.options, grpc.MaxRetryRPCBufferSize(0)) {
		t.Error("gRPC may send again by itself")
	}
}
