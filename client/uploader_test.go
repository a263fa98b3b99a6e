package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// push returns an Uploader for a test on a fake clock. Its streams get the answers. At the
// end of the test it is abandoned, and its counts must add up.
func push(
	t *testing.T, answer func(context.Context, sentStream) error, options ...client.Option,
) (*script, *client.Uploader) {
	t.Helper()
	s := &script{answer: answer}
	u, err := newClient(t, s).NewUploader(t.Context(), identified(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		u.Abandon()
		if stats := balanced(t, u); stats.Held != 0 || stats.HeldBytes != 0 {
			t.Errorf("after the end %+v, want Held 0 and HeldBytes 0", stats)
		}
		checkStreams(t, s.sent())
	})
	return s, u
}

// pass lets time go by on the test's own clock.
func pass(d time.Duration) { <-time.After(d) }

// checkStreams checks invariants of an Uploader's streams.
func checkStreams(t *testing.T, streams []sentStream) {
	t.Helper()
	for _, s := range streams {
		if !s.md.GetSingleBatch() || s.md.GetUploadId() != testID || len(s.scopes) == 0 {
			t.Errorf("stream %d: %d scopes under %v, want some, as a single batch of %s", s.ordinal, len(s.scopes), s.md, testID)
		}
	}
}

func add(t *testing.T, u *client.Uploader, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := u.Add(t.Context(), scope(name)); err != nil {
			t.Fatalf("Add %s: %v", name, err)
		}
	}
}

// transcript describes the streams, one line each: number, f for final, names.
func transcript(streams []sentStream) []string {
	var lines []string
	for _, s := range streams {
		final := "f"
		if s.md.GetMoreFollows() {
			final = ""
		}
		lines = append(lines, fmt.Sprintf("%d%s %s", s.md.GetFirstBatchNum(), final, strings.Join(s.names(), " ")))
	}
	return lines
}

func checkTranscript(t *testing.T, s *script, want ...string) {
	t.Helper()
	if got := transcript(s.sent()); !slices.Equal(got, want) {
		t.Errorf("streams\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func closeWell(t *testing.T, u *client.Uploader, scopeCount int64, batchCount int32) {
	t.Helper()
	result, err := u.Close(t.Context())
	if err != nil {
		t.Fatalf("Close: %v", err)
	}
	if result.ScopeCount != scopeCount || result.BatchCount != batchCount || result.UploadID != testID {
		t.Errorf("result %+v, want %d scopes in %d batches", result, scopeCount, batchCount)
	}
}

func TestUploaderAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting)
		began := time.Now()
		add(t, u, "a", "b")
		pass(time.Minute)
		checkTranscript(t, s, "1 a")
		if waited := s.sent()[0].at.Sub(began); waited != client.DefaultThresholdAge {
			t.Errorf("sent after %v, want %v", waited, client.DefaultThresholdAge)
		}
		add(t, u, "c")
		synctest.Wait()
		checkTranscript(t, s, "1 a", "2 b")
		closeWell(t, u, 3, 3)
		checkTranscript(t, s, "1 a", "2 b", "3f c")
		if err := u.Add(t.Context(), scope("d")); !errors.Is(err, client.ErrEnded) {
			t.Errorf("Add after Close: %v, want %v", err, client.ErrEnded)
		}
	})
}

func TestUploaderSize(t *testing.T) {
	t.Parallel()
	big := func(i int) string { return strings.Repeat(fmt.Sprint(i), 100) }
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting, client.WithThresholdBytes(300))
		for i := range 9 {
			add(t, u, big(i))
		}
		synctest.Wait()
		for i, stream := range s.sent() {
			if len(stream.scopes) != 2 || stream.scopes[0].GetName() != big(2*i) {
				t.Errorf("stream %d: %v, want two, %s first", i, stream.names(), big(2*i))
			}
		}
		closeWell(t, u, 9, 5)
	})
}

func TestUploaderNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting)
		if err := u.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeWell(t, u, 0, 0)
		closeWell(t, u, 0, 0)
		checkTranscript(t, s)
	})
}

func TestUploaderFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting)
		add(t, u, "a", "b", "c")
		began := time.Now()
		if err := u.Flush(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("Flush: %v after %v, want none", err, time.Since(began))
		}
		checkTranscript(t, s, "1 a b")
		add(t, u, "d")
		synctest.Wait()
		checkTranscript(t, s, "1 a b")
		closeWell(t, u, 4, 2)
	})
}

func TestUploaderFlushEnds(t *testing.T) {
	t.Parallel()
	down := failure(t, codes.Unavailable)
	answer := func(context.Context, sentStream) error { return down }
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, answer)
		add(t, u, "a", "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := u.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush: %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

// TestUploaderRepeats loses answers: the same scopes are sent under the same number.
func TestUploaderRepeats(t *testing.T) {
	t.Parallel()
	answer := failing(failure(t, codes.Unavailable), failure(t, codes.ResourceExhausted, reason("OVERLOADED")), nil, failure(t, codes.Internal))
	var events []client.RetryEvent
	observe := client.WithOnRetry(func(e client.RetryEvent) { events = append(events, e) })
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer, observe)
		add(t, u, "a", "b")
		if err := u.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeWell(t, u, 2, 2)
		checkTranscript(t, s, "1 a", "1 a", "1 a", "2f b", "2f b")
		if got := u.Stats().FailureCount; got != 3 {
			t.Errorf("%d failures counted, want 3", got)
		}
		requireEvents(t, events,
			client.RetryEvent{FirstBatchNum: 1, FailureCount: 1},
			client.RetryEvent{FirstBatchNum: 1, FailureCount: 2},
			client.RetryEvent{FirstBatchNum: 2, FailureCount: 1, AcceptedScopeCount: 1})
	})
}

func TestUploaderObeysRetryInfo(t *testing.T) {
	t.Parallel()
	answer := failing(failure(t, codes.Unavailable, retryAfter(time.Minute)))
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer)
		add(t, u, "a")
		closeWell(t, u, 1, 1)
		streams := s.sent()
		if waited := streams[1].at.Sub(streams[0].at); waited < time.Minute || waited > time.Minute+client.DefaultFirstBackoff {
			t.Errorf("waited %v, want at least %v and at most %v", waited, time.Minute, time.Minute+client.DefaultFirstBackoff)
		}
	})
}

// TestUploaderCloseCutsWaitShort closes while the back-off is long.
func TestUploaderCloseCutsWaitShort(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	answer := func(context.Context, sentStream) error {
		if down.Load() {
			return failure(t, codes.Unavailable)
		}
		return nil
	}
	backoff := client.WithBackoff(1000*time.Hour, 1000*time.Hour)
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer, backoff)
		add(t, u, "a", "b")
		pass(time.Minute)
		down.Store(false)
		began := time.Now()
		closeWell(t, u, 2, 2)
		if time.Since(began) > 0 {
			t.Errorf("Close took %v, want none", time.Since(began))
		}
		checkTranscript(t, s, "1 a", "1 a", "2f b")
	})
}

func TestUploaderCloseDeadline(t *testing.T) {
	t.Parallel()
	down := failure(t, codes.Unavailable, reason("INTAKE_UNREACHABLE"))
	answer := func(context.Context, sentStream) error { return down }
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, answer)
		add(t, u, "a", "b", "c")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := u.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrUpload) || !strings.Contains(err.Error(), "close uploader") {
			t.Errorf("Close: %v, want %v, %v and %q in it", err, context.DeadlineExceeded, client.ErrUpload, "close uploader")
		}
		if _, again := u.Close(t.Context()); again != err { //nolint:errorlint // the very same error is meant
			t.Errorf("Close again: %v", again)
		}
		if stats := balanced(t, u); stats.Dropped != 3 {
			t.Errorf("%+v, want Dropped 3", stats)
		}
	})
}

func TestUploaderPermanent(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code        codes.Code
		streamCount int
	}{
		"refused by the intake": {codes.FailedPrecondition, 1},
		"no credentials":        {codes.Unauthenticated, 1},
		"doubtful":              {codes.Internal, 4},
		"not overloaded":        {codes.ResourceExhausted, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := func(context.Context, sentStream) error { return status.Error(test.code, "no") }
			synctest.Test(t, func(t *testing.T) {
				s, u := push(t, answer, client.WithMaxAttempts(4))
				add(t, u, "a", "b")
				if err := u.Flush(t.Context()); status.Code(err) != test.code {
					t.Errorf("Flush: %v, want %v", err, test.code)
				}
				if err := u.Add(t.Context(), scope("c")); status.Code(err) != test.code {
					t.Errorf("Add: %v, want %v", err, test.code)
				}
				if _, err := u.Close(t.Context()); status.Code(err) != test.code {
					t.Errorf("Close: %v, want %v", err, test.code)
				}
				if stats := balanced(t, u); stats.Dropped != 2 || len(s.sent()) != test.streamCount {
					t.Errorf("%+v after %d streams, want Dropped 2 and %v sent", stats, len(s.sent()), test.streamCount)
				}
			})
		})
	}
}

// TestUploaderAcceptedByProgress: a stream fails, but its batch is accepted.
func TestUploaderAcceptedByProgress(t *testing.T) {
	t.Parallel()
	answer := failing(failure(t, codes.Unavailable, progress(testID, 1, 2)), failure(t, codes.Unavailable, progress(testID, 0, 2)))
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer)
		add(t, u, "a", "b")
		if err := u.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeWell(t, u, 2, 2)
		checkTranscript(t, s, "1 a", "2f b", "2f b")
	})
}

func TestUploaderBlocks(t *testing.T) {
	t.Parallel()
	var accept chan struct{}
	answer := func(ctx context.Context, _ sentStream) error {
		select {
		case <-accept:
			return nil
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	payload := strings.Repeat("x", 400)
	const maxHeldBytes = 2 * (512 + 64)
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, answer, client.WithMaxHeldBytes(maxHeldBytes), client.WithMaxMessageBytes(512))
		accept = make(chan struct{})
		add(t, u, payload, payload)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("no patience"))
		defer cancel()
		if err := u.Add(ctx, scope(payload)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no patience") {
			t.Errorf("Add: %v, want %v and %q in it", err, context.DeadlineExceeded, "no patience")
		}
		close(accept)
		for range 10 {
			add(t, u, payload)
			if stats := balanced(t, u); stats.HeldBytes > maxHeldBytes {
				t.Errorf("%d bytes held, want at most %v", stats.HeldBytes, maxHeldBytes)
			}
		}
		result, err := u.Close(t.Context())
		if err != nil || result.ScopeCount != 12 {
			t.Errorf("Close: %+v, %v, want 12 scopes", result, err)
		}
	})
}

func TestUploaderBlockedAddEnds(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ sentStream) error {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, hang, client.WithMaxHeldBytes(2*(512+64)), client.WithMaxMessageBytes(512))
		payload := strings.Repeat("x", 400)
		add(t, u, payload, payload)
		blocked := make(chan error)
		go func() { blocked <- u.Add(context.WithoutCancel(t.Context()), scope(payload)) }()
		synctest.Wait()
		go u.Abandon()
		if err := <-blocked; !errors.Is(err, client.ErrAbandoned) {
			t.Errorf("Add: %v, want %v", err, client.ErrAbandoned)
		}
	})
}

func TestUploaderDrops(t *testing.T) {
	t.Parallel()
	down := failure(t, codes.Unavailable)
	up := make(chan struct{})
	answer := func(context.Context, sentStream) error {
		select {
		case <-up:
			return nil
		default:
			return down
		}
	}
	const maxHeldBytes = 2 * (512 + 64)
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, answer, client.WithMaxHeldBytes(maxHeldBytes), client.WithDropNewest(), client.WithMaxMessageBytes(512))
		payload := strings.Repeat("x", 200)
		for range 10 {
			add(t, u, payload)
		}
		var children []*symdbv1.Scope
		for range 20 {
			children = append(children, scope(payload))
		}
		if err := u.Add(t.Context(), scope("root", children...)); err != nil {
			t.Error(err)
		}
		stats := balanced(t, u)
		if stats.Held != 4 || stats.HeldBytes > maxHeldBytes || stats.Dropped != 6+10 {
			t.Errorf("%+v, want Held 4, HeldBytes at most %v and Dropped %v", stats, maxHeldBytes, 6+10)
		}
		close(up)
		result, err := u.Close(t.Context())
		if err != nil || result.ScopeCount != 4 {
			t.Errorf("Close: %+v, %v, want 4 scopes", result, err)
		}
	})
}

// TestUploaderAttemptTimeout hangs once, like a connection without another end.
func TestUploaderAttemptTimeout(t *testing.T) {
	t.Parallel()
	answer := func(ctx context.Context, s sentStream) error {
		if s.ordinal == 0 {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer, client.WithAttemptTimeout(time.Minute))
		began := time.Now()
		add(t, u, "a")
		closeWell(t, u, 1, 1)
		if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
			t.Errorf("took %v, want at least %v and at most %v", took, time.Minute, 2*time.Minute)
		}
		checkTranscript(t, s, "1f a", "1f a")
	})
}
