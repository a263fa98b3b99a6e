package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
)

// TestOpenEnd: nothing is held back, and there is no final batch.
func TestOpenEnd(t *testing.T) {
	t.Parallel()
	var accepted []int64
	observe := client.WithOnProgress(func(p client.Progress) { accepted = append(accepted, p.AcceptedScopeCount) })
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting, client.WithOpenEnd(), observe)
		began := time.Now()
		add(t, u, "a", "b")
		pass(client.DefaultThresholdAge)
		synctest.Wait()
		checkTranscript(t, s, "1 a b")
		if waited := s.sent()[0].at.Sub(began); waited != client.DefaultThresholdAge {
			t.Errorf("sent after %v, want %v", waited, client.DefaultThresholdAge)
		}
		add(t, u, "c")
		if err := u.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		checkTranscript(t, s, "1 a b", "2 c")
		add(t, u, "d")
		closeWell(t, u, 4, 3)
		checkTranscript(t, s, "1 a b", "2 c", "3 d")
		if want := []int64{2, 3, 4}; !slices.Equal(accepted, want) {
			t.Errorf("progress %v, want %v", accepted, want)
		}
	})
}

// TestOpenEndClosesEmpty closes when there is nothing more to send.
func TestOpenEndClosesEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, accepting, client.WithOpenEnd())
		add(t, u, "a")
		if err := u.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		closeWell(t, u, 1, 1)
		checkTranscript(t, s, "1 a")
	})
}

// TestOpenEndUnderTrouble: batches are repeated and halved, and scopes left out, as in an
// upload with an end.
func TestOpenEndUnderTrouble(t *testing.T) {
	t.Parallel()
	answer := failing(
		failure(t, codes.Unavailable),
		failure(t, codes.InvalidArgument, reason("BATCH_TOO_LARGE")),
		nil,
		failure(t, codes.InvalidArgument, reason("SCOPE_INVALID"), violations("scope[0].name")),
	)
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer, client.WithOpenEnd())
		add(t, u, "a", "b", "bad", "c")
		closeWell(t, u, 3, 2)
		checkTranscript(t, s, "1 a b bad c", "1 a b bad c", "1 a b", "2 bad", "2 c")
	})
}

func TestOpenEndAllRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, invalid(t), client.WithOpenEnd())
		add(t, u, "bad")
		if _, err := u.Close(t.Context()); status.Code(err) != codes.InvalidArgument {
			t.Errorf("Close: %v, want %v", err, codes.InvalidArgument)
		}
	})
}

// TestUploaderContext ends the Uploader's context.
func TestUploaderContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		u, err := newClient(t, &script{answer: accepting}).NewUploader(ctx, identified())
		if err != nil {
			t.Fatal(err)
		}
		add(t, u, "a")
		cause := errors.New("the process ends")
		cancel(cause)
		synctest.Wait()
		if _, err := u.Close(t.Context()); !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("Close: %v, want %v and %v", err, context.Canceled, cause)
		}
		if stats := balanced(t, u); stats.Dropped != 1 {
			t.Errorf("%+v, want Dropped 1", stats)
		}
	})
}

// TestLogger: the log has problems that no error reports.
func TestLogger(t *testing.T) {
	t.Parallel()
	answer := failing(
		failure(t, codes.Unavailable),
		failure(t, codes.InvalidArgument, reason("SCOPE_INVALID"), violations("scope[0].name")),
		failure(t, codes.FailedPrecondition, reason("INTAKE_REFUSED")),
	)
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, nil))
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, answer, client.WithLogger(logger), client.WithDropNewest(), client.WithMaxMessageBytes(300), client.WithMaxHeldBytes(2*(300+64)))
		add(t, u, "bad", "b", strings.Repeat("x", 250), strings.Repeat("x", 250), strings.Repeat("x", 250))
		if _, err := u.Close(t.Context()); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("Close: %v, want %v", err, codes.FailedPrecondition)
		}
	})
	want := []string{
		`level=WARN msg="no room for new scopes; dropping them"`,
		`level=WARN msg="upload failed and will be retried"`,
		`level=WARN msg="scope refused"`,
		`level=ERROR msg="upload failed"`,
	}
	for _, line := range want {
		if strings.Count(logged.String(), line) != 1 {
			t.Errorf("logged\n%s\nwant %s once", &logged, line)
		}
	}
	if lines, named := strings.Count(logged.String(), "\n"), strings.Count(logged.String(), "upload_id="+testID); lines != 4 || named != 4 {
		t.Errorf("logged %d lines, %d of them with the upload_id, want 4:\n%s", lines, named, &logged)
	}
}
