// Package verify compares what an intake received with what a client sent.
//
// Start with [Upload]. It reads each batch with the standard library alone, checks the
// envelope and the event, and compares the scopes one by one with those sent, also if
// they were split. At most one part of a scope, and the scope, is in memory.
//
// Its errors are for debugging the server or the client. To check batches alone, use
// server/devintake.
package verify

import (
	"fmt"
	"io"
	"iter"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Batch is a request as the intake has stored it.
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
	// PartCount is the number of root scopes received. Each part of a split scope counts.
	PartCount  int
	BatchCount int
	// RawBytes and CompressedBytes are the size of all envelopes as JSON and as gzip.
	RawBytes, CompressedBytes int64
}

// Upload compares the batches of one complete upload, in the order of their numbers, with
// the metadata and the scopes that were sent. The error is the first difference, with its
// batch and its path in the scope.
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
