// Package verify compares what an intake received with what a client sent.
//
// Start with [Upload]. It reads each batch with the standard library alone, checks the
// envelope and the event, and compares the scopes with those sent, also if they were split,
// by package compare.
//
// Its errors are for debugging the server or the client. To check batches alone, use
// server/devintake.
package verify

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/compare"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Batch is a request as the intake has stored it.
type Batch struct {
	// Event is the JSON of the event part.
	Event []byte
	// Open opens the file part. It is called up to twice.
	Open func() (io.ReadCloser, error)
}

// Result counts what was compared.
type Result struct {
	// ScopeCount is the number of root scopes sent. Parts of the same one count once.
	ScopeCount int
	// PartCount is the number of root scopes received. Each part of a split scope counts.
	PartCount  int
	BatchCount int
	// RawBytes and CompressedBytes are the size of all envelopes as JSON and as gzip.
	RawBytes, CompressedBytes int64
}

// Upload compares the batches of one complete upload, in the order of their numbers, with
// the metadata and the scopes that were sent. It may range over sent twice. The error is the
// first difference, with its batch or its path in the scopes.
func Upload(metadata client.Metadata, sent iter.Seq2[*symdbv1.Scope, error], batches []Batch) (Result, error) {
	result := Result{BatchCount: len(batches)}
	received := func(yield func(map[string]any, error) bool) {
		result.RawBytes, result.CompressedBytes = 0, 0
		for i, batch := range batches {
			want := expected{metadata: metadata, batchNum: i + 1, final: i == len(batches)-1}
			sizes, err := readBatch(batch, want, yield)
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("batch %d: %w", i+1, err))
				return
			}
			result.RawBytes += sizes.rawBytes
			result.CompressedBytes += sizes.compressedBytes
		}
	}
	report, err := compare.Uploads(
		compare.Upload{Name: "sent", Scopes: objects(sent)},
		compare.Upload{Name: "received", Scopes: received},
		compare.Options{Exact: true, Limit: 1},
	)
	if err != nil {
		return result, err
	}
	result.ScopeCount, result.PartCount = report.A.RootCount, report.B.PartCount
	if report.Equal() {
		return result, nil
	}
	return result, differenceError(report.Differences[0])
}

// objects returns the JSON objects of scopes.
func objects(scopes iter.Seq2[*symdbv1.Scope, error]) iter.Seq2[map[string]any, error] {
	return func(yield func(map[string]any, error) bool) {
		for scope, err := range scopes {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(Object(scope), nil) {
				return
			}
		}
	}
}

func differenceError(d compare.Difference) error {
	switch d.Kind {
	case compare.Missing:
		return fmt.Errorf("%s: sent, but not received", d.Place())
	case compare.Added:
		return fmt.Errorf("%s: received, but not sent", d.Place())
	case compare.Different:
	}
	return fmt.Errorf("%s: sent %s, received %s", d.Place(), d.A, d.B)
}
