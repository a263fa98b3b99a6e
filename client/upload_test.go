package client_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func metadata() *symdbv1.UploadMetadata {
	return &symdbv1.UploadMetadata{Service: "shop", Language: "go"}
}

func scope(name string, children ...*symdbv1.Scope) *symdbv1.Scope {
	return &symdbv1.Scope{ScopeType: "package", Name: new(name), Scopes: children}
}

func sequence(scopes ...*symdbv1.Scope) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for _, s := range scopes {
			if !yield(s, nil) {
				return
			}
		}
	}
}

// sendUntilError sends a scope until that fails, as it must once the server has
// ended the stream.
func sendUntilError(upload *client.Upload) error {
	for {
		if err := upload.Send(scope("again")); err != nil {
			return err
		}
	}
}

func TestUploadScopes(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle)
	md := metadata()
	before := proto.CloneOf(md)

	summary, err := c.UploadScopes(t.Context(), md, sequence(scope("a"), scope("b", scope("b1")), scope("a")))
	if err != nil {
		t.Fatal(err)
	}
	got := <-records
	if !errors.Is(got.end, io.EOF) {
		t.Errorf("stream ended with %v, want io.EOF", got.end)
	}
	if !proto.Equal(md, before) {
		t.Errorf("metadata of the caller changed (-want +got):\n%s", cmp.Diff(before, md, protocmp.Transform()))
	}
	if _, err := uuid.Parse(got.metadata.GetUploadId()); err != nil {
		t.Errorf("upload id %q: %v", got.metadata.GetUploadId(), err)
	}
	if summary.GetUploadId() != got.metadata.GetUploadId() || summary.GetScopeCount() != 3 {
		t.Errorf("summary %v, want UploadId %v and ScopeCount 3", summary, got.metadata.GetUploadId())
	}
	want := []*symdbv1.Scope{scope("a"), scope("b", scope("b1")), scope("a")}
	for i, s := range got.scopes {
		if !proto.Equal(s, want[i]) {
			t.Errorf("scope %d: got %v, want %v", i, s, want[i])
		}
	}
}

func TestUploadID(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle)
	md := metadata()
	md.UploadId = "2f6c9a1e-6c1a-4d0e-9c55-0d9f6f3b7a11"

	upload, err := c.Upload(t.Context(), md)
	if err != nil {
		t.Fatal(err)
	}
	if upload.ID() != md.GetUploadId() {
		t.Errorf("ID is %q, want %v", upload.ID(), md.GetUploadId())
	}
	if _, err := upload.CloseAndReceive(); err != nil {
		t.Fatal(err)
	}
	if got := <-records; !proto.Equal(got.metadata, md) {
		t.Errorf("metadata (-want +got):\n%s", cmp.Diff(md, got.metadata, protocmp.Transform()))
	}
}

func TestLargeScopeIsSplit(t *testing.T) {
	t.Parallel()
	const maxBytes = 4 << 10
	handle, records := recorder()
	c := serve(t, handle, client.WithMaxMessageBytes(maxBytes))
	root := scope("large")
	root.Symbols = []*symdbv1.Symbol{{Name: new("v"), SymbolType: "field"}}
	for range 1000 {
		root.Scopes = append(root.Scopes, scope(strings.Repeat("f", 100)))
	}

	if _, err := c.UploadScopes(t.Context(), metadata(), sequence(scope("before"), root, scope("after"))); err != nil {
		t.Fatal(err)
	}
	got := <-records
	children := 0
	for i, s := range got.scopes[1 : len(got.scopes)-1] {
		if hasSymbols := len(s.GetSymbols()) == 1; s.GetName() != "large" || hasSymbols != (i == 0) {
			t.Errorf("part %d: name %q, %d symbols, want large, and symbols in the first alone", i, s.GetName(), len(s.GetSymbols()))
		}
		if size := got.bytes[i+1]; size > maxBytes {
			t.Errorf("part %d: %d bytes, want at most %v", i, size, maxBytes)
		}
		children += len(s.GetScopes())
	}
	if children != 1000 {
		t.Errorf("%d children arrived, want 1000", children)
	}
	if last := got.scopes[len(got.scopes)-1].GetName(); last != "after" {
		t.Errorf("the last scope is %q, want %q", last, "after")
	}
}

func TestScopeTooLarge(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle, client.WithMaxMessageBytes(512))

	huge := scope(strings.Repeat("n", 600))
	_, err := c.UploadScopes(t.Context(), metadata(), sequence(scope("a"), scope("root", scope("fits"), huge)))
	tooLarge, ok := errors.AsType[*client.ScopeTooLargeError](err)
	if !ok || errors.Is(err, client.ErrUpload) {
		t.Fatalf("got %v, want a ScopeTooLargeError that is no ErrUpload", err)
	}
	want := &client.ScopeTooLargeError{ScopeType: huge.GetScopeType(), Name: huge.GetName(), Root: "root", Bytes: tooLarge.Bytes, MaxBytes: 512}
	if diff := cmp.Diff(want, tooLarge); diff != "" || tooLarge.Bytes <= 512 {
		t.Errorf("error (-want +got), and of more than 512 bytes:\n%s", diff)
	}
	if got := <-records; errors.Is(got.end, io.EOF) {
		t.Error("the server saw a complete upload")
	}
}

func TestSequenceErrorBreaksOff(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle)
	broken := errors.New("debug information is broken")

	_, err := c.UploadScopes(t.Context(), metadata(), func(yield func(*symdbv1.Scope, error) bool) {
		if yield(scope("a"), nil) {
			yield(nil, broken)
		}
	})
	if !errors.Is(err, broken) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want the sequence's error", err)
	}
	if got := <-records; status.Code(got.end) != codes.Canceled {
		t.Errorf("stream ended with %v, want CANCELLED", got.end)
	}
}

func TestInputErrors(t *testing.T) {
	t.Parallel()
	invalid := &symdbv1.Scope{ScopeType: "package", Name: new("\xff")}
	for name, test := range map[string]struct {
		metadata *symdbv1.UploadMetadata
		scope    *symdbv1.Scope
	}{
		"no metadata":      {nil, scope("a")},
		"metadata invalid": {&symdbv1.UploadMetadata{Service: "\xff"}, scope("a")},
		"no scope":         {metadata(), nil},
		"scope invalid":    {metadata(), invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handle := func(stream serverStream) error {
				<-stream.Context().Done()
				return nil
			}
			c := serve(t, handle)
			_, err := c.UploadScopes(t.Context(), test.metadata, sequence(test.scope))
			if err == nil || errors.Is(err, client.ErrUpload) {
				t.Errorf("got %v, want an error that is no ErrUpload", err)
			}
			if _, ok := errors.AsType[*client.Error](err); !ok {
				t.Errorf("got %T, want *client.Error", err)
			}
		})
	}
}

// TestBackpressure sends to a server that does not read: what Send takes on is
// bounded by the windows, and Send ends with the context.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	c := serve(t, func(stream serverStream) error {
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	upload, err := c.Upload(ctx, metadata())
	if err != nil {
		t.Fatal(err)
	}
	defer upload.Cancel()
	defer time.AfterFunc(300*time.Millisecond, cancel).Stop()

	payload := scope(strings.Repeat("x", 32<<10))
	sent := 0
	for err == nil {
		if err = upload.Send(payload); err == nil {
			sent++
		}
	}
	if !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want context.Canceled and not ErrUpload", err)
	}
	if sent > 16 {
		t.Errorf("%d messages of 32 KiB sent to a server that read none", sent)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	got := make(chan struct{})
	c := serve(t, func(stream serverStream) error {
		close(got)
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	upload, err := c.Upload(t.Context(), metadata())
	if err != nil {
		t.Fatal(err)
	}
	<-got
	go upload.Cancel()
	_, err = upload.CloseAndReceive()
	if !errors.Is(err, context.Canceled) || status.Code(err) != codes.Canceled {
		t.Errorf("CloseAndReceive: %v, want context.Canceled", err)
	}
	upload.Cancel()
	if again := upload.Send(scope("a")); !errors.Is(again, context.Canceled) {
		t.Errorf("Send: %v, want context.Canceled", again)
	}
}

func TestContextCause(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle)
	ctx, cancel := context.WithCancelCause(t.Context())
	upload, err := c.Upload(ctx, metadata())
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("shutting down")
	cancel(cause)
	err = sendUntilError(upload)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v", err)
	}
	if got := <-records; errors.Is(got.end, io.EOF) {
		t.Error("the server saw a complete upload")
	}
}

func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	handle, records := recorder()
	c := serve(t, handle)
	upload, err := c.Upload(t.Context(), metadata())
	if err != nil {
		t.Fatal(err)
	}
	if err := upload.Send(scope("a")); err != nil {
		t.Fatal(err)
	}
	first, err := upload.CloseAndReceive()
	if err != nil {
		t.Fatal(err)
	}
	<-records
	upload.Cancel()
	if err := upload.Send(scope("b")); !errors.Is(err, client.ErrEnded) {
		t.Errorf("Send: %v, want ErrEnded", err)
	}
	if again, err := upload.CloseAndReceive(); err != nil || again != first {
		t.Errorf("CloseAndReceive again: %v, %v", again, err)
	}
}
