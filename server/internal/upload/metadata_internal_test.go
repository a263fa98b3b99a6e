package upload

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
)

const testDepth = 64

// full returns metadata with every field of an upload.
func full() *symdbv1.UploadMetadata {
	return &symdbv1.UploadMetadata{
		Service: "shop", Env: new(""), Version: new("1"), Language: "JAVA",
		UploadId: "8f0c2a34-5d5e-4b65-93a7-0f4a3f5f1c11", RuntimeId: "r",
		Tags: []string{" team:a ", "bad:x,y\r\nEvil: 1", ""}, ContainerId: "c\n0", EntityId: "in-1", ExternalEnv: "it-false,cn-x",
		ParentId: new("p"), Ddsource: new("python"), EventLanguage: new("java"),
		MaxBatchAge: durationpb.New(time.Second),
		Additional: map[string]*structpb.Value{
			"schema_version": structpb.NewNumberValue(1), "service": structpb.NewStringValue("ours wins"),
			"env": structpb.NewNullValue(),
		},
		EventAdditional: map[string]*structpb.Value{"b": structpb.NewStringValue(`"`), "a": structpb.NewNullValue()},
	}
}

func TestReadMetadata(t *testing.T) {
	t.Parallel()
	got, o, err := readMetadata(full(), testDepth)
	want := &batch.Header{
		Service: "shop", Env: new(""), Version: new("1"), Language: "JAVA",
		UploadID: "8f0c2a34-5d5e-4b65-93a7-0f4a3f5f1c11", RuntimeID: "r",
		Tags: "team:a,bad:x_y__Evil: 1", ContainerID: "c_0", EntityID: "in-1", ExternalEnv: "it-false,cn-x",
		ParentID: new("p"), DDSource: "python", EventLanguage: "java",
		Additional: `"schema_version":1`, EventAdditional: `"a":null,"b":"\""`,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, -want +got:\n%s", err, diff)
	}
	if want := (options{firstBatchNum: 1, maxBatchAge: time.Second}); o != want {
		t.Errorf("options %+v, want %+v", o, want)
	}
}

// Absent, empty and null strings are kept apart.
func TestMetadataNulls(t *testing.T) {
	t.Parallel()
	null := map[string]*structpb.Value{"env": structpb.NewNullValue(), "version": structpb.NewNullValue()}
	eventNull := map[string]*structpb.Value{"version": structpb.NewNullValue(), "parentId": structpb.NewNullValue()}
	header, _, err := readMetadata(&symdbv1.UploadMetadata{
		Service: "s", Language: "ruby", Additional: null, EventAdditional: eventNull,
	}, testDepth)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"env":null,"version":null`; header.Additional != want {
		t.Errorf("the envelope has %s, want %s", header.Additional, want)
	}
	if want := `"parentId":null,"version":null`; header.EventAdditional != want {
		t.Errorf("the event has %s, want %s", header.EventAdditional, want)
	}
}

func TestInvalidMetadata(t *testing.T) {
	t.Parallel()
	value := structpb.NewStringValue
	deep := value("")
	for range testDepth {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	many := make([]string, maxTags+1)
	for i := range many {
		many[i] = "k:" + strconv.Itoa(i)
	}
	for name, tt := range map[string]struct {
		change func(*symdbv1.UploadMetadata)
		field  string
	}{
		"a long container": {func(md *symdbv1.UploadMetadata) { md.ContainerId = strings.Repeat("c", 257) }, "container_id"},
		"a long entity":    {func(md *symdbv1.UploadMetadata) { md.EntityId = strings.Repeat("c", 257) }, "entity_id"},
		"a long env":       {func(md *symdbv1.UploadMetadata) { md.ExternalEnv = strings.Repeat("c", 257) }, "external_env"},
		"a long parent":    {func(md *symdbv1.UploadMetadata) { md.ParentId = new(strings.Repeat("c", 257)) }, "parent_id"},
		"a long source":    {func(md *symdbv1.UploadMetadata) { md.Ddsource = new(strings.Repeat("c", 257)) }, "ddsource"},
		"a long language":  {func(md *symdbv1.UploadMetadata) { md.EventLanguage = new(strings.Repeat("c", 257)) }, "event_language"},
		"many tags":        {func(md *symdbv1.UploadMetadata) { md.Tags = many }, "tags"},
		"long tags":        {func(md *symdbv1.UploadMetadata) { md.Tags = []string{strings.Repeat("t", maxTagsBytes+1)} }, "tags"},
		"no age":           {func(md *symdbv1.UploadMetadata) { md.MaxBatchAge = durationpb.New(0) }, "max_batch_age"},
		"a long age":       {func(md *symdbv1.UploadMetadata) { md.MaxBatchAge = durationpb.New(maxAge + 1) }, "max_batch_age"},
		"an invalid age":   {func(md *symdbv1.UploadMetadata) { md.MaxBatchAge = &durationpb.Duration{Seconds: math.MinInt64} }, "max_batch_age"},
		"a field in the map": {func(md *symdbv1.UploadMetadata) {
			md.Env, md.Additional = nil, map[string]*structpb.Value{"env": value("x")}
		}, `additional["env"]`},
		"an infinite number": {func(md *symdbv1.UploadMetadata) {
			md.EventAdditional["inf"] = structpb.NewNumberValue(math.Inf(1))
		}, `event_additional["inf"]`},
		"no value":   {func(md *symdbv1.UploadMetadata) { md.Additional["none"] = &structpb.Value{} }, `additional["none"]`},
		"a deep map": {func(md *symdbv1.UploadMetadata) { md.Additional["deep"] = deep }, `additional["deep"]`},
		"a map that is long as JSON": {func(md *symdbv1.UploadMetadata) {
			md.Additional["long"] = value(strings.Repeat("\x01", maxMembersBytes/6))
		}, "additional"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			md := full()
			tt.change(md)
			_, _, err := readMetadata(md, testDepth)
			input, ok := errors.AsType[*inputError](err)
			if want := "metadata." + tt.field; !ok || input.reason != ReasonMetadataInvalid || !strings.HasPrefix(input.field, want) {
				t.Errorf("error %v, want one of field %s", err, want)
			}
		})
	}
}

// The maps never give a key that the envelope or the event has already.
func TestNoKeyIsWrittenTwice(t *testing.T) {
	t.Parallel()
	written := make(chan [2][]string, 1)
	s := serve(t, func(_ context.Context, b *batch.Batch) error {
		unzipped, err := gzip.NewReader(b.File.NewReader())
		if err != nil {
			return err
		}
		envelope, err := io.ReadAll(unzipped)
		written <- [2][]string{keys(t, envelope), keys(t, b.AppendEvent(nil))}
		return err
	}, nil)
	stream := s.beginWith(t, func(md *symdbv1.UploadMetadata) {
		proto.Reset(md)
		proto.Merge(md, full())
		md.Additional, md.EventAdditional = nil, nil
	})
	stream.send(t, 1)
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
	have := receive(t, written, "the batch")
	for field, keys := range map[string][]string{"additional": have[0], "event_additional": have[1]} {
		for _, key := range keys {
			md := full()
			md.Additional, md.EventAdditional = nil, nil
			given := map[string]*structpb.Value{key: structpb.NewStringValue("twice")}
			if field == "additional" {
				md.Additional = given
			} else {
				md.EventAdditional = given
			}
			header, _, err := readMetadata(md, testDepth)
			if err == nil && header.Additional+header.EventAdditional != "" {
				t.Errorf("%s: the key %q is written twice", field, key)
			}
		}
	}
}

// keys returns the keys of a JSON object.
func keys(t *testing.T, object []byte) []string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		t.Error(err)
	}
	return slices.Collect(maps.Keys(members))
}
