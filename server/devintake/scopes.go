package devintake

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// ErrUnknownUpload says that nothing is stored of an upload.
var ErrUnknownUpload = errors.New("unknown upload")

// Scopes ranges over the root scopes of an upload as they stand in the JSON:
// batch by batch in the order of their numbers, as they were stored when the
// range began. One scope is in memory at a time; it belongs to the caller. The
// first error ends the range; it wraps ErrUnknownUpload where there is no such
// upload.
func (in *Intake) Scopes(uploadID string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		upload, ok := in.Upload(uploadID)
		if !ok {
			yield(nil, fmt.Errorf("%w %s", ErrUnknownUpload, uploadID))
			return
		}
		for _, batch := range upload.Batches {
			for scope, err := range batch.Scopes() {
				if !yield(scope, err) || err != nil {
					return
				}
			}
		}
	}
}

// Scopes ranges over the root scopes of one batch, as [Intake.Scopes] does.
func (b Batch) Scopes() iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if err := b.scopes(yield); err != nil {
			yield(nil, fmt.Errorf("batch %d: %w", b.BatchNum, err))
		}
	}
}

// scopes returns the error that ended it; nil also where yield wants no more.
func (b Batch) scopes(yield func(json.RawMessage, error) bool) error {
	file, err := b.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	raw, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	decoder := json.NewDecoder(raw)
	// All that comes before the array of scopes is keys, strings and numbers.
	for token := json.Token(nil); token != json.Delim('['); {
		if token, err = decoder.Token(); err != nil {
			return fmt.Errorf("envelope: %w", err)
		}
	}
	for decoder.More() {
		var scope json.RawMessage
		if err := decoder.Decode(&scope); err != nil {
			return fmt.Errorf("envelope: %w", err)
		}
		if !yield(scope, nil) {
			return nil
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("envelope: %w", err)
	}
	return nil
}
