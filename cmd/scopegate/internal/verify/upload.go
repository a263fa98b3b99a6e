package verify

import (
	"fmt"
	"io"
	"iter"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Batch is what the intake has stored of one request.
type Batch struct {
	// Event is the JSON of the event part.
	Event []byte
	// Open opens the file part.
	Open func() (io.ReadCloser, error)
}

// Result counts what was compared.
type Result struct {
	// ScopeCount is the number of root scopes sent.
	ScopeCount int
	// PartCount is the number of root scopes received, in which a scope that was
	// split counts once for each part.
	PartCount int
	// BatchCount is the number of batches.
	BatchCount int
	// RawBytes is the size of all envelopes as JSON.
	RawBytes int64
	// CompressedBytes is the size of all envelopes as gzip.
	CompressedBytes int64
}

// Upload compares the batches of one complete upload, in the order of their
// numbers, with its metadata and the scopes that were sent. The error names the
// first difference, with its batch and the path in the scope.
func Upload(metadata *symdbv1.UploadMetadata, sent iter.Seq2[*symdbv1.Scope, error], batches []Batch) (Result, error) {
	next, stop := iter.Pull2(sent)
	defer stop()
	c := &comparison{nextSent: next}
	result := Result{BatchCount: len(batches)}
	for i, batch := range batches {
		want := expected{metadata: metadata, batchNum: i + 1, final: i == len(batches)-1}
		sizes, err := readBatch(batch, want, c.take)
		if err != nil {
			return result, fmt.Errorf("batch %d: %w", i+1, err)
		}
		result.RawBytes += sizes.rawBytes
		result.CompressedBytes += sizes.compressedBytes
	}
	err := c.finish()
	result.ScopeCount, result.PartCount = c.sentCount, c.partCount
	return result, err
}
