package server

import (
	"github.com/google/uuid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
)

// newHeader checks an upload's metadata and returns what its batches shall carry.
func newHeader(md *symdbv1.UploadMetadata) (*batch.Header, error) {
	invalid := func(field, text string) error {
		return &inputError{reason: reasonMetadataInvalid, field: "metadata." + field, text: text}
	}
	switch {
	case md.GetService() == "":
		return nil, invalid("service", "required")
	case md.GetLanguage() == "":
		return nil, invalid("language", "required")
	}
	id := md.GetUploadId()
	if id == "" {
		id = uuid.NewString()
	} else if len(id) != len(uuid.UUID{}.String()) || uuid.Validate(id) != nil {
		return nil, invalid("upload_id", "not a UUID in its text form of 36 characters")
	}
	return &batch.Header{
		Service: md.GetService(), Env: md.GetEnv(), Version: md.GetVersion(), Language: md.GetLanguage(),
		UploadID: id, RuntimeID: md.GetRuntimeId(),
	}, nil
}
