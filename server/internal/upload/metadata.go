package upload

import (
	"fmt"
	"strconv"
	"unsafe"

	"github.com/google/uuid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
)

// options are the metadata's fields about the stream rather than the upload.
type options struct {
	firstBatchNum int32
	moreFollows   bool
	singleBatch   bool
}

// maxFieldBytes limits the metadata's strings, which are held as long as the stream and
// sent with each batch.
const maxFieldBytes = 256

// maxFirstBatchNum leaves more numbers than a stream can use.
const maxFirstBatchNum = 1 << 30

// readMetadata checks a stream's metadata. It returns the header even if it returns an
// error.
func readMetadata(md *symdbv1.UploadMetadata) (*batch.Header, options, error) {
	id := md.GetUploadId()
	header := &batch.Header{
		Service: md.GetService(), Env: md.GetEnv(), Version: md.GetVersion(), Language: md.GetLanguage(),
		UploadID: id, RuntimeID: md.GetRuntimeId(),
	}
	invalid := func(field, text string) (*batch.Header, options, error) {
		return header, options{}, metadataInvalid("metadata."+field, text)
	}
	for _, text := range []struct{ field, value string }{
		{"service", header.Service},
		{"env", header.Env},
		{"version", header.Version},
		{"language", header.Language},
		{"runtime_id", header.RuntimeID},
	} {
		if len(text.value) > maxFieldBytes {
			return invalid(text.field, fmt.Sprintf("%d bytes, more than the limit of %d", len(text.value), maxFieldBytes))
		}
	}
	switch {
	case md.GetService() == "":
		return invalid("service", "required")
	case md.GetLanguage() == "":
		return invalid("language", "required")
	case id != "" && (len(id) != len(uuid.UUID{}.String()) || uuid.Validate(id) != nil):
		return invalid("upload_id", "not a UUID in its text form of 36 characters")
	case md.GetFirstBatchNum() < 0:
		return invalid("first_batch_num", "negative")
	case md.GetFirstBatchNum() > maxFirstBatchNum:
		return invalid("first_batch_num", "larger than "+strconv.Itoa(maxFirstBatchNum))
	case id == "" && (md.GetFirstBatchNum() > 1 || md.GetSingleBatch()):
		return invalid("upload_id", "required for a stream that resumes an upload or is a single batch")
	case id == "":
		header.UploadID = uuid.NewString()
	}
	return header, options{
		firstBatchNum: max(1, md.GetFirstBatchNum()), moreFollows: md.GetMoreFollows(), singleBatch: md.GetSingleBatch(),
	}, nil
}

// heldBytes returns the memory that a stream's metadata takes.
func heldBytes(h *batch.Header) int {
	return int(unsafe.Sizeof(*h)) +
		len(h.Service) + len(h.Env) + len(h.Version) + len(h.Language) + len(h.UploadID) + len(h.RuntimeID)
}
