package upload

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// options are the metadata's fields about the stream rather than the upload.
type options struct {
	firstBatchNum int32
	moreFollows   bool
	singleBatch   bool
	maxBatchAge   time.Duration // 0: the server's
}

// Limits of the metadata, which is held as long as the stream and sent with each batch.
const (
	maxFieldBytes = 256
	maxTags       = 100
	maxTagsBytes  = 4 << 10 // all together

	// maxFirstBatchNum leaves more numbers than a stream can use.
	maxFirstBatchNum = 1 << 30

	// maxMembersBytes limits an open map as JSON, which may be longer than as protobuf.
	maxMembersBytes = 8 << 10

	minAge, maxAge = 100 * time.Millisecond, time.Hour
)

// readMetadata checks a stream's metadata. It returns the header even if it returns an
// error.
func readMetadata(md *symdbv1.UploadMetadata, maxDepth int) (*batch.Header, options, error) {
	header := &batch.Header{
		Service: md.GetService(), Env: md.Env, Version: md.Version, Language: md.GetLanguage(),
		UploadID: cmp.Or(md.GetUploadId(), uuid.NewString()), RuntimeID: md.GetRuntimeId(),
		ParentID: md.ParentId, DDSource: md.GetDdsource(), EventLanguage: md.GetEventLanguage(),
		ContainerID: headerValue(md.GetContainerId()), EntityID: headerValue(md.GetEntityId()),
		ExternalEnv: headerValue(md.GetExternalEnv()), Tags: tagList(md.GetTags()),
	}
	o := options{
		firstBatchNum: max(1, md.GetFirstBatchNum()), moreFollows: md.GetMoreFollows(), singleBatch: md.GetSingleBatch(),
		maxBatchAge: md.GetMaxBatchAge().AsDuration(),
	}
	for _, check := range []func(*symdbv1.UploadMetadata) error{checkLengths, checkIdentity, checkAge} {
		if err := check(md); err != nil {
			return header, o, err
		}
	}
	var err error
	header.Additional, err = openMap{
		field: "additional", values: md.GetAdditional(), maxDepth: maxDepth,
		written:  []string{"service", "language", "upload_id", "batch_num", "scopes", "final"},
		optional: map[string]bool{"env": md.Env != nil, "version": md.Version != nil},
	}.members()
	if err != nil {
		return header, o, err
	}
	header.EventAdditional, err = openMap{
		field: "event_additional", values: md.GetEventAdditional(), maxDepth: maxDepth,
		written: []string{
			"ddsource", "service", "language", "runtimeId", "type", "uploadId", "batchNum", "final", "attachmentSize",
		},
		optional: map[string]bool{"version": md.Version != nil, "parentId": md.ParentId != nil},
	}.members()
	return header, o, err
}

func checkLengths(md *symdbv1.UploadMetadata) error {
	for _, text := range []struct{ field, value string }{
		{"service", md.GetService()},
		{"env", md.GetEnv()},
		{"version", md.GetVersion()},
		{"language", md.GetLanguage()},
		{"runtime_id", md.GetRuntimeId()},
		{"container_id", md.GetContainerId()},
		{"entity_id", md.GetEntityId()},
		{"external_env", md.GetExternalEnv()},
		{"parent_id", md.GetParentId()},
		{"ddsource", md.GetDdsource()},
		{"event_language", md.GetEventLanguage()},
	} {
		if len(text.value) > maxFieldBytes {
			return metadataInvalid("metadata."+text.field,
				fmt.Sprintf("%d bytes, more than the limit of %d", len(text.value), maxFieldBytes))
		}
	}
	tags := md.GetTags()
	if len(tags) > maxTags {
		return metadataInvalid("metadata.tags", fmt.Sprintf("%d tags, more than the limit of %d", len(tags), maxTags))
	}
	bytes := 0
	for _, tag := range tags {
		bytes += len(tag)
	}
	if bytes > maxTagsBytes {
		return metadataInvalid("metadata.tags",
			fmt.Sprintf("%d bytes, more than the limit of %d for all together", bytes, maxTagsBytes))
	}
	return nil
}

func checkIdentity(md *symdbv1.UploadMetadata) error {
	id := md.GetUploadId()
	switch {
	case md.GetService() == "":
		return metadataInvalid("metadata.service", "required")
	case md.GetLanguage() == "":
		return metadataInvalid("metadata.language", "required")
	case id != "" && (len(id) != len(uuid.UUID{}.String()) || uuid.Validate(id) != nil):
		return metadataInvalid("metadata.upload_id", "not a UUID in its text form of 36 characters")
	case md.GetFirstBatchNum() < 0:
		return metadataInvalid("metadata.first_batch_num", "negative")
	case md.GetFirstBatchNum() > maxFirstBatchNum:
		return metadataInvalid("metadata.first_batch_num", "larger than "+strconv.Itoa(maxFirstBatchNum))
	case id == "" && (md.GetFirstBatchNum() > 1 || md.GetSingleBatch()):
		return metadataInvalid("metadata.upload_id", "required for a stream that resumes an upload or is a single batch")
	}
	return nil
}

func checkAge(md *symdbv1.UploadMetadata) error {
	if md.MaxBatchAge == nil {
		return nil
	}
	if age := md.GetMaxBatchAge().AsDuration(); age < minAge || age > maxAge {
		return metadataInvalid("metadata.max_batch_age", fmt.Sprintf("%v is not between %v and %v", age, minAge, maxAge))
	}
	return nil
}

// headerValue returns text that is safe as the value of an HTTP header: without blanks
// around it, and with an underscore for each control character.
func headerValue(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '_'
		}
		return r
	}, text))
}

// tagList joins the tags with commas, and replaces commas inside them.
func tagList(tags []string) string {
	kept := make([]string, 0, len(tags))
	for _, tag := range tags {
		if tag = headerValue(strings.ReplaceAll(tag, ",", "_")); tag != "" {
			kept = append(kept, tag)
		}
	}
	return strings.Join(kept, ",")
}

// openMap is a map of keys that the metadata has no fields for.
type openMap struct {
	field  string // of the metadata
	values map[string]*structpb.Value
	// written are keys that are always written from fields, and so ignored here.
	written []string
	// optional are keys whose fields may be absent, and whether they are set. If they are
	// not, the key may be null here.
	optional map[string]bool
	maxDepth int
}

// members returns the map as members of a JSON object.
func (m openMap) members() (string, error) {
	if len(m.values) == 0 {
		return "", nil
	}
	values := make(map[string]*structpb.Value, len(m.values))
	for key, value := range m.values {
		set, isOptional := m.optional[key]
		_, isNull := value.GetKind().(*structpb.Value_NullValue)
		switch {
		case set || slices.Contains(m.written, key):
			continue
		case isOptional && !isNull:
			return "", metadataInvalid("metadata."+m.field+"["+strconv.Quote(key)+"]", "only null: other values have a field")
		}
		values[key] = value
	}
	wire, err := proto.Marshal(&symdbv1.LanguageSpecifics{Additional: values})
	if err != nil {
		return "", metadataInvalid("metadata."+m.field, "invalid UTF-8")
	}
	checked, err := openPlan().Check(wire, m.maxDepth)
	if fault, ok := errors.AsType[*transcode.Error](err); ok {
		return "", metadataInvalid("metadata."+m.field+strings.TrimPrefix(fault.Field, "additional"), fault.Fault.String())
	}
	object := checked.AppendTo(nil, growing{})
	checked.Release()
	if len(object) > maxMembersBytes {
		return "", metadataInvalid("metadata."+m.field,
			fmt.Sprintf("%d bytes of JSON, more than the limit of %d", len(object), maxMembersBytes))
	}
	return string(object[1 : len(object)-1]), nil
}

// openPlan writes an open map: the only field that members sets.
var openPlan = sync.OnceValue(func() *transcode.Plan {
	plan, err := transcode.Compile((&symdbv1.LanguageSpecifics{}).ProtoReflect().Descriptor(), transcode.Rules{})
	if err != nil {
		panic(err) // the descriptor is ours
	}
	return plan
})

// growing is a sink that keeps all JSON.
type growing struct{}

func (growing) Drain(json []byte) []byte { return slices.Grow(json, max(len(json), transcode.Room)) }

func (growing) Marks() []uint64 { return nil }
