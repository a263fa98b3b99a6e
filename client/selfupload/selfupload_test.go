package selfupload_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/client/selfupload"
	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/integration/wait"
)

func textLogger(text *logged.Text) *slog.Logger { return slog.New(slog.NewTextHandler(text, nil)) }

func TestUpload(t *testing.T) {
	t.Parallel()
	server := clienttest.New(t)
	var log logged.Text
	type outcome struct {
		result client.Result
		err    error
	}
	outcomes := make(chan outcome, 1)
	upload, err := selfupload.Start(t.Context(), server.Addr(),
		selfupload.WithExecutable(programPath(t)),
		selfupload.WithMetadata(client.Metadata{Env: new("test"), Version: new("7")}),
		selfupload.WithSymbols(gosym.WithMainModule(), gosym.WithExclude(".../kinds")),
		selfupload.WithMaxDelay(time.Millisecond), selfupload.WithCPUShare(1), selfupload.WithLogger(textLogger(&log)),
		selfupload.WithOnDone(func(result client.Result, err error) { outcomes <- outcome{result, err} }),
	)
	if err != nil {
		t.Fatal(err)
	}
	wait.Receive(t, upload.Done(), "the upload")
	result, err := upload.Wait()
	if err != nil || upload.Err() != nil {
		t.Fatalf("got %v and %v, want no error", err, upload.Err())
	}
	if got := <-outcomes; got.result != result || got.err != nil {
		t.Errorf("the function got %+v, want %+v", got, result)
	}
	uploads := server.Uploads()
	if len(uploads) != 1 || uploads[0].ID != result.UploadID || !uploads[0].Final || len(uploads[0].Scopes) != 4 {
		t.Fatalf("the intake has %+v, want an upload of 4 scopes", uploads)
	}
	envelope := uploads[0].Batches[0].Envelope
	for key, want := range map[string]string{"service": "program", "env": "test", "version": "7", "language": "go"} {
		if envelope[key] != want {
			t.Errorf("%s is %v, want %s", key, envelope[key], want)
		}
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `msg="symbols uploaded"`) {
		t.Errorf("logged %q, want the upload", text)
	}
}

// A failed upload is repeated. By default it has the packages of the main module.
func TestUploadIsRepeated(t *testing.T) {
	t.Parallel()
	server := clienttest.New(t)
	server.FailNext(2, http.StatusServiceUnavailable)
	var log logged.Text
	upload, err := selfupload.Start(t.Context(), server.Addr(),
		selfupload.WithExecutable(programPath(t)), selfupload.WithCPUShare(1), selfupload.WithMaxDelay(0),
		selfupload.WithBackoff(time.Millisecond, 10*time.Millisecond), selfupload.WithLogger(textLogger(&log)),
		selfupload.WithClient(client.WithMaxAttempts(1)))
	if err != nil {
		t.Fatal(err)
	}
	if result, err := upload.Wait(); err != nil || result.ScopeCount != 5 {
		t.Errorf("got %+v, %v, want an upload of 5 scopes", result, err)
	}
	if got := strings.Count(log.String(), "symbols not uploaded yet"); got != 2 {
		t.Errorf("logged %q, want 2 failures", log.String())
	}
}

// Err has no error before the end.
func TestErrWhileItLasts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	upload, err := selfupload.Start(ctx, "unix:///nowhere/s", selfupload.WithMaxDelay(1000*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := upload.Err(); err != nil {
		t.Errorf("Err() = %v, want none", err)
	}
	cancel()
	wait.Receive(t, upload.Done(), "the end")
	if err := upload.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("Err() = %v, want %v", err, context.Canceled)
	}
}

// A test has no symbols, so the upload is not repeated.
func TestProgramWithoutSymbols(t *testing.T) {
	t.Parallel()
	var log logged.Text
	upload, err := selfupload.Start(t.Context(), "unix:///nowhere/s", selfupload.WithMaxDelay(0), selfupload.WithLogger(textLogger(&log)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upload.Wait(); !errors.Is(err, gosym.ErrNoDWARF) || !errors.Is(upload.Err(), gosym.ErrNoDWARF) {
		t.Errorf("got %v and %v, want %v", err, upload.Err(), gosym.ErrNoDWARF)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") {
		t.Errorf("logged %q, want one warning", text)
	}
}

// An upload that the end of the program interrupts logs nothing.
func TestUploadIsCanceled(t *testing.T) {
	t.Parallel()
	var log logged.Text
	ctx, cancel := context.WithCancelCause(t.Context())
	upload, err := selfupload.Start(ctx, "unix:///nowhere/s", selfupload.WithMaxDelay(1000*time.Hour), selfupload.WithLogger(textLogger(&log)))
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("shutdown")
	cancel(cause)
	if _, err := upload.Wait(); !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
	if log.String() != "" {
		t.Errorf("logged %q, want nothing", log.String())
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]selfupload.Option{
		"WithMaxDelay: -1ns is negative":             selfupload.WithMaxDelay(-1),
		"WithBackoff: 0s to 1s":                      selfupload.WithBackoff(0, time.Second),
		"WithBackoff: 2s to 1s":                      selfupload.WithBackoff(2*time.Second, time.Second),
		"WithCPUShare: 0 is":                         selfupload.WithCPUShare(0),
		"WithCPUShare: 1.5 is":                       selfupload.WithCPUShare(1.5),
		"WithCPUShare: NaN is":                       selfupload.WithCPUShare(math.NaN()),
		"WithLogger: nil":                            selfupload.WithLogger(nil),
		"WithOnDone: nil":                            selfupload.WithOnDone(nil),
		"option WithMaxMessageBytes: -1 is not":      selfupload.WithClient(client.WithMaxMessageBytes(-1)),
		"option WithMaxAttempts: -1 is not positive": selfupload.WithClient(client.WithMaxAttempts(-1)),
	} {
		if _, err := selfupload.Start(t.Context(), "localhost:1", option); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, addr := range []string{"", "foo", "foo:bar:baz", "http://127.0.0.1:1"} {
		if _, err := selfupload.Start(t.Context(), addr); err == nil {
			t.Errorf("%q is taken for an address", addr)
		}
	}
	if _, err := selfupload.Start(t.Context(), "dns://\x00"); err == nil {
		t.Error("got no error for an address that is none")
	}
}
