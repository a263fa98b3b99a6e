package client_test

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// describe returns the metadata that a client sends.
func describe(t *testing.T, metadata client.Metadata, options ...client.Option) *symdbv1.UploadMetadata {
	t.Helper()
	s := &script{answer: accepting}
	if _, err := newClient(t, s).Upload(t.Context(), metadata, sequence(scope("a")), options...); err != nil {
		t.Fatal(err)
	}
	return s.sent()[0].md
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	got := describe(t, client.Metadata{
		Service: "shop", Env: new(""), Version: new("1.2"), Language: "JAVA", RuntimeID: "run", UploadID: testID,
		Tags: []string{"team:cart"}, ContainerID: "c1", EntityID: "ci-c1", ExternalEnv: "it-false", ParentID: new("p"),
		DDSource: "java", EventLanguage: "java", MaxBatchAge: time.Second,
		Additional:      map[string]any{"schema_version": 1, "list": []string{"a"}},
		EventAdditional: map[string]any{"version": nil},
	})
	list := structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("a")}})
	want := &symdbv1.UploadMetadata{
		Service: "shop", Env: new(""), Version: new("1.2"), Language: "JAVA", RuntimeId: "run", UploadId: testID, FirstBatchNum: 1,
		Tags: []string{"team:cart"}, ContainerId: "c1", EntityId: "ci-c1", ExternalEnv: "it-false", ParentId: new("p"),
		Ddsource: new("java"), EventLanguage: new("java"), MaxBatchAge: durationpb.New(time.Second),
		Additional:      map[string]*structpb.Value{"schema_version": structpb.NewNumberValue(1), "list": list},
		EventAdditional: map[string]*structpb.Value{"version": structpb.NewNullValue()},
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

// TestMetadataIsSparse: fields that are not set are not sent.
func TestMetadataIsSparse(t *testing.T) {
	t.Parallel()
	got := describe(t, identified(), client.WithoutContainerID())
	want := &symdbv1.UploadMetadata{Service: "shop", Language: "go", UploadId: testID, FirstBatchNum: 1}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestMetadataOfContainer(t *testing.T) {
	t.Setenv("DD_EXTERNAL_ENV", "it-false,cn-shop")
	own := ""
	if runtime.GOOS == "linux" {
		own = "it-false,cn-shop"
	}
	if got := describe(t, metadata()).GetExternalEnv(); got != own {
		t.Errorf("external_env %q, want %q", got, own)
	}
	given := metadata()
	given.ContainerID = "c1"
	if got := describe(t, given); got.GetContainerId() != "c1" || got.GetEntityId() != "" || got.GetExternalEnv() != "" {
		t.Errorf("metadata %v, want container_id c1 and nothing of this process's own", got)
	}
}

func TestMetadataIsRefused(t *testing.T) {
	t.Parallel()
	for want, changes := range map[string][]func(*client.Metadata){
		"service":   {func(m *client.Metadata) { m.Service = "" }, func(m *client.Metadata) { m.Service = "\xff" }},
		"language":  {func(m *client.Metadata) { m.Language = "" }},
		"upload_id": {func(m *client.Metadata) { m.UploadID = "7" }},
		"max_batch_age": {
			func(m *client.Metadata) { m.MaxBatchAge = time.Millisecond },
			func(m *client.Metadata) { m.MaxBatchAge = 2 * time.Hour },
		},
		"external_env":          {func(m *client.Metadata) { m.ExternalEnv = "\xff" }},
		"tags":                  {func(m *client.Metadata) { m.Tags = []string{"a:\xc3", "\xa9"} }},
		`additional["x"]`:       {func(m *client.Metadata) { m.Additional = map[string]any{"x": math.NaN()} }},
		`additional["\xff"]`:    {func(m *client.Metadata) { m.Additional = map[string]any{"\xff": 1} }},
		`event_additional["y"]`: {func(m *client.Metadata) { m.EventAdditional = map[string]any{"y": func() {}} }},
	} {
		for _, change := range changes {
			refuse(t, "metadata."+want, change)
		}
	}
}

// refuse checks that each form of an upload refuses metadata.
func refuse(t *testing.T, field string, change func(*client.Metadata)) {
	t.Helper()
	md := metadata()
	change(&md)
	c := newClient(t, &script{answer: accepting})
	_, uploadErr := c.Upload(t.Context(), md, sequence(scope("a")))
	_, streamErr := c.OpenStream(t.Context(), md)
	_, uploaderErr := c.NewUploader(t.Context(), md)
	for _, err := range []error{uploadErr, streamErr, uploaderErr} {
		failure, ok := errors.AsType[*client.Error](err)
		if !ok || !strings.Contains(err.Error(), field) || client.IsRetryable(err) {
			t.Errorf("got %v, want an Error with %q that is not retryable", err, field)
			continue
		}
		if failure.Reason() != client.ReasonMetadataInvalid || failure.FieldViolations()[0].GetField() != field {
			t.Errorf("reason %q and fields %v, want %s of %s", failure.Reason(), failure.FieldViolations(), client.ReasonMetadataInvalid, field)
		}
	}
}
