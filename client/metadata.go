package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Metadata describes the program that an upload's scopes are from, and the process that
// runs it. Service and Language are required. A pointer distinguishes an absent value from
// an empty one: new("") is sent as an empty string, nil is not sent.
//
// The server limits each string to 256 bytes and all tags together to 4 KiB.
type Metadata struct {
	// Service is the name of the service that runs the program. Required.
	Service string
	// Env is the environment that the service runs in, such as "prod". To send null, leave
	// it nil and set the key "env" of Additional to nil.
	Env *string
	// Version is the version of the service. To send null, leave it nil and set the key
	// "version" of Additional and EventAdditional to nil.
	Version *string
	// Language is the language of the tracer, in its own spelling and case. Required.
	Language string
	// RuntimeID is the identity of the running process, as in its other telemetry.
	RuntimeID string
	// UploadID is the identity of the upload, a UUID in its text form. If it is empty, the
	// client makes a random one.
	UploadID string
	// Tags are tags of the process, each "key:value". At most 100.
	Tags []string

	// ContainerID, EntityID and ExternalEnv identify the container that runs the process,
	// so that an agent can add the container's tags. If all three are empty, the client
	// fills in those of its own process, see [WithoutContainerID].
	ContainerID, EntityID, ExternalEnv string
	// ParentID is the stable identity of the parent process or of the deployment, by which
	// the backend recognizes the uploads of forked processes as repetitions. To send null,
	// leave it nil and set the key "parentId" of EventAdditional to nil.
	ParentID *string

	// DDSource is the event's ddsource. If it is empty, it is "dd_debugger".
	DDSource string
	// EventLanguage is the event's language, if it is not Language.
	EventLanguage string
	// MaxBatchAge is the age at which the server sends an open batch although it is not
	// full, between 100 ms and 1 h. If it is 0 or above the server's limit, the server's
	// applies. An [Uploader] closes its batches itself.
	MaxBatchAge time.Duration
	// Additional are keys of the envelope that have no field here, EventAdditional those
	// of the event; the package comment explains both objects. A value is anything that
	// encoding/json can marshal; its numbers become float64. A field that is set overrides
	// the same key.
	Additional, EventAdditional map[string]any
}

// Limits of Metadata.MaxBatchAge.
const (
	minBatchAge = 100 * time.Millisecond
	maxBatchAge = time.Hour
)

// message returns the metadata as a message, with an upload_id.
func (m Metadata) message() (*symdbv1.UploadMetadata, error) {
	switch {
	case m.Service == "":
		return nil, metadataError("service", "required")
	case m.Language == "":
		return nil, metadataError("language", "required")
	case m.MaxBatchAge != 0 && (m.MaxBatchAge < minBatchAge || m.MaxBatchAge > maxBatchAge):
		return nil, metadataError("max_batch_age", "%v is not between %v and %v", m.MaxBatchAge, minBatchAge, maxBatchAge)
	}
	id := m.UploadID
	switch {
	case id == "":
		id = uuid.NewString()
	case len(id) != len(uuid.UUID{}.String()) || uuid.Validate(id) != nil:
		return nil, metadataError("upload_id", "%q is not a UUID in its text form of 36 characters", id)
	}
	md := &symdbv1.UploadMetadata{
		Service: m.Service, Env: m.Env, Version: m.Version, Language: m.Language,
		UploadId: id, RuntimeId: m.RuntimeID, Tags: m.Tags,
		ContainerId: m.ContainerID, EntityId: m.EntityID, ExternalEnv: m.ExternalEnv, ParentId: m.ParentID,
	}
	if m.DDSource != "" {
		md.Ddsource = &m.DDSource
	}
	if m.EventLanguage != "" {
		md.EventLanguage = &m.EventLanguage
	}
	if m.MaxBatchAge != 0 {
		md.MaxBatchAge = durationpb.New(m.MaxBatchAge)
	}
	var err error
	if md.Additional, err = values("additional", m.Additional); err != nil {
		return nil, err
	}
	if md.EventAdditional, err = values("event_additional", m.EventAdditional); err != nil {
		return nil, err
	}
	for field, text := range map[string]string{
		"service": md.GetService(), "env": md.GetEnv(), "version": md.GetVersion(), "language": md.GetLanguage(),
		"runtime_id": md.GetRuntimeId(), "tags": strings.Join(md.GetTags(), ","),
		"container_id": md.GetContainerId(), "entity_id": md.GetEntityId(), "external_env": md.GetExternalEnv(),
		"parent_id": md.GetParentId(), "ddsource": md.GetDdsource(), "event_language": md.GetEventLanguage(),
	} {
		if !utf8.ValidString(text) {
			return nil, metadataError(field, "invalid UTF-8")
		}
	}
	return proto.CloneOf(md), nil // the caller may change what it points to
}

// values returns an open map as protobuf values.
func values(field string, m map[string]any) (map[string]*structpb.Value, error) {
	if len(m) == 0 {
		return nil, nil
	}
	converted := make(map[string]*structpb.Value, len(m))
	for key, value := range m {
		text, err := json.Marshal(value)
		if !utf8.ValidString(key) {
			err = errors.New("invalid UTF-8")
		}
		if err != nil {
			return nil, metadataError(field+"["+strconv.Quote(key)+"]", "%v", err)
		}
		v := &structpb.Value{}
		if err := v.UnmarshalJSON(text); err != nil {
			return nil, metadataError(field+"["+strconv.Quote(key)+"]", "%v", err)
		}
		converted[key] = v
	}
	return converted, nil
}

// metadataError returns the error that a server would return for a field.
func metadataError(field, format string, arguments ...any) *Error {
	field, text := "metadata."+field, fmt.Sprintf(format, arguments...)
	invalid := inputError("open upload", field+": "+text)
	detailed, err := invalid.status.WithDetails(
		&errdetails.ErrorInfo{Domain: "scopegate", Reason: ReasonMetadataInvalid},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: field, Description: text, Reason: ReasonMetadataInvalid},
		}})
	if err == nil {
		invalid.status = detailed
	}
	return invalid
}
