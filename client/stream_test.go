package client_test

import (
	"context"
	"errors"
	"iter"
	"slices"
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
	"github.com/scopegate/scopegate/client/clienttest"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func metadata() client.Metadata {
	return client.Metadata{Service: "shop", Language: "go"}
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

// sendUntilError sends a scope until Send fails, which it must do once the server has ended
// the stream.
func sendUntilError(upload *client.Stream) error {
	for {
		if err := upload.Send(scope("again")); err != nil {
			return err
		}
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	sent := []*symdbv1.Scope{scope("a"), scope("b", scope("b1")), scope("a")}
	var reached []client.Progress
	result, err := s.Dial(t).Upload(t.Context(), metadata(), sequence(sent...),
		client.WithOnProgress(func(p client.Progress) { reached = append(reached, p) }))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Uploads()[0]
	if diff := cmp.Diff(sent, got.Scopes, protocmp.Transform()); diff != "" || !got.Final {
		t.Errorf("final %t, want true; scopes (-want +got):\n%s", got.Final, diff)
	}
	if uuid.Validate(got.ID) != nil || result.UploadID != got.ID || result.ScopeCount != 3 || result.BatchCount != 1 {
		t.Errorf("result %+v, want 3 scopes in 1 batch of %s", result, got.ID)
	}
	want := []client.Progress{
		{UploadID: got.ID, SentScopeCount: 1},
		{UploadID: got.ID, SentScopeCount: 2},
		{UploadID: got.ID, SentScopeCount: 3},
		{UploadID: got.ID, SentScopeCount: 3, AcceptedScopeCount: 3},
	}
	if !slices.Equal(reached, want) {
		t.Errorf("progress %v, want %v", reached, want)
	}
}

func TestStreamID(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	stream, err := s.Dial(t).OpenStream(t.Context(), identified())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(scope("a")); err != nil {
		t.Fatal(err)
	}
	result, err := stream.CloseAndReceive()
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Uploads()[0].ID; got != testID || stream.ID() != testID || result.UploadID != testID {
		t.Errorf("upload %q arrived, the stream is %q, the result %q, want %q", got, stream.ID(), result.UploadID, testID)
	}
}

func TestLargeScopeIsSplit(t *testing.T) {
	t.Parallel()
	const maxBytes = 4 << 10
	s := clienttest.New(t)
	root := scope("large")
	root.Symbols = []*symdbv1.Symbol{{Name: new("v"), SymbolType: "field"}}
	for range 1000 {
		root.Scopes = append(root.Scopes, scope(strings.Repeat("f", 100)))
	}

	scopes := sequence(scope("before"), root, scope("after"))
	if _, err := s.Dial(t).Upload(t.Context(), metadata(), scopes, client.WithMaxMessageBytes(maxBytes)); err != nil {
		t.Fatal(err)
	}
	got := s.Uploads()[0].Scopes
	children := 0
	for i, part := range got[1 : len(got)-1] {
		if hasSymbols := len(part.GetSymbols()) == 1; part.GetName() != "large" || hasSymbols != (i == 0) {
			t.Errorf("part %d: name %q, %d symbols, want large, and symbols in the first alone", i, part.GetName(), len(part.GetSymbols()))
		}
		message := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: part}}
		if size := proto.Size(message); size > maxBytes {
			t.Errorf("part %d: %d bytes, want at most %v", i, size, maxBytes)
		}
		children += len(part.GetScopes())
	}
	if children != 1000 {
		t.Errorf("%d children arrived, want 1000", children)
	}
	if last := got[len(got)-1].GetName(); last != "after" {
		t.Errorf("the last scope is %q, want %q", last, "after")
	}
}

func TestScopeTooLarge(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	huge := scope(strings.Repeat("n", 600))
	_, err := s.Dial(t, client.WithMaxMessageBytes(512)).Upload(t.Context(), metadata(), sequence(scope("a"), scope("root", scope("fits"), huge)))
	tooLarge, ok := errors.AsType[*client.ScopeTooLargeError](err)
	if !ok || errors.Is(err, client.ErrUpload) {
		t.Fatalf("got %v, want a ScopeTooLargeError that is no ErrUpload", err)
	}
	want := &client.ScopeTooLargeError{ScopeType: huge.GetScopeType(), Name: huge.GetName(), Root: "root", Bytes: tooLarge.Bytes, MaxBytes: 512}
	if diff := cmp.Diff(want, tooLarge); diff != "" || tooLarge.Bytes <= 512 {
		t.Errorf("error (-want +got), and of more than 512 bytes:\n%s", diff)
	}
	if text := err.Error(); len(text) > 500 || !strings.Contains(text, `nnn…" in root scope "root"`) {
		t.Errorf("got %d bytes, want at most 500 with the start of the name: %s", len(text), text)
	}
	requireUnfinished(t, s)
	alone := &client.ScopeTooLargeError{ScopeType: "FILE", Name: "big.rb", Root: "big.rb", Bytes: 600, MaxBytes: 512}
	if got := alone.Error(); !strings.HasPrefix(got, `scope FILE "big.rb" needs a message of 600 bytes`) {
		t.Errorf("got %q, want the name once", got)
	}
}

func TestSequenceErrorBreaksOff(t *testing.T) {
	t.Parallel()
	s := clienttest.New(t)
	broken := errors.New("debug information is broken")
	_, err := s.Dial(t).Upload(t.Context(), metadata(), func(yield func(*symdbv1.Scope, error) bool) {
		if yield(scope("a"), nil) {
			yield(nil, broken)
		}
	})
	if !errors.Is(err, broken) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want the sequence's error", err)
	}
	requireUnfinished(t, s)
}

func TestInputErrors(t *testing.T) {
	t.Parallel()
	invalid := &symdbv1.Scope{ScopeType: "package", Name: new("\xff")}
	for name, test := range map[string]struct {
		metadata client.Metadata
		scope    *symdbv1.Scope
	}{
		"no metadata":      {client.Metadata{}, scope("a")},
		"metadata invalid": {client.Metadata{Service: "\xff", Language: "go"}, scope("a")},
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
			_, err := c.Upload(t.Context(), test.metadata, sequence(test.scope))
			if err == nil || errors.Is(err, client.ErrUpload) {
				t.Errorf("got %v, want an error that is no ErrUpload", err)
			}
			if _, ok := errors.AsType[*client.Error](err); !ok {
				t.Errorf("got %T, want *client.Error", err)
			}
		})
	}
}

// TestBackpressure sends to a server that does not read: the windows bound what Send
// accepts, and Send ends with the context.
func TestBackpressure(t *testing.T) {
	t.Parallel()
	c := serve(t, func(stream serverStream) error {
		<-stream.Context().Done()
		return stream.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	upload, err := c.OpenStream(ctx, metadata())
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
	upload, err := c.OpenStream(t.Context(), metadata())
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
	s := clienttest.New(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	upload, err := s.Dial(t).OpenStream(ctx, metadata())
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("shutting down")
	cancel(cause)
	err = sendUntilError(upload)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || errors.Is(err, client.ErrUpload) {
		t.Errorf("got %v, want context.Canceled and %v", err, cause)
	}
	requireUnfinished(t, s)
}

func TestAfterTheEnd(t *testing.T) {
	t.Parallel()
	upload, err := clienttest.New(t).Dial(t).OpenStream(t.Context(), metadata())
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
	upload.Cancel()
	if err := upload.Send(scope("b")); !errors.Is(err, client.ErrEnded) {
		t.Errorf("Send: %v, want ErrEnded", err)
	}
	if again, err := upload.CloseAndReceive(); err != nil || again != first {
		t.Errorf("CloseAndReceive again: %v, %v", again, err)
	}
}
