package devintake

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
)

// Listing is the body of the answer to GET /uploads.
type Listing struct {
	// Uploads are in order of arrival, without their batches.
	Uploads []Upload `json:"uploads"`
	// RefusalCount is the number of refused requests.
	RefusalCount int `json:"refusal_count"`
}

func (in *Intake) newListing() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /uploads", in.listUploads)
	mux.HandleFunc("GET /uploads/{id}", in.showUpload)
	mux.HandleFunc("GET /uploads/{id}/batches/{n}", in.sendBatch)
	mux.HandleFunc("GET /", notFound)
	return mux
}

func (in *Intake) listUploads(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, Listing{Uploads: in.Uploads(), RefusalCount: in.RefusalCount()})
}

func (in *Intake) showUpload(w http.ResponseWriter, r *http.Request) {
	upload, ok := in.Upload(r.PathValue("id"))
	if !ok {
		notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, upload)
}

func (in *Intake) sendBatch(w http.ResponseWriter, r *http.Request) {
	num, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		notFound(w, r)
		return
	}
	batch, ok := in.Batch(r.PathValue("id"), num)
	if !ok {
		notFound(w, r)
		return
	}
	file, err := batch.Open()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, refusalOf(&storeError{err}))
		return
	}
	defer func() { _ = file.Close() }()
	contentType := "application/gzip"
	if batch.Plain {
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.FormatInt(batch.CompressedBytes, 10))
	_, _ = io.Copy(w, file)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusNotFound, Refusal{Status: http.StatusNotFound, Path: r.URL.Path, Reason: "nothing is stored here"})
}

// writeJSON writes an answer. It ignores errors, because the client may be gone.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}

// ErrUnknownUpload means that no batch of the upload is stored.
var ErrUnknownUpload = errors.New("unknown upload")

// Scopes yields the root scopes of an upload as JSON, in the order of the batches that are
// stored when it starts. The caller owns each scope. The first error ends the sequence. It is
// ErrUnknownUpload if there is no such upload.
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

// Scopes yields the root scopes of one batch, like [Intake.Scopes].
func (b Batch) Scopes() iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if err := b.scopes(yield); err != nil {
			yield(nil, fmt.Errorf("batch %d: %w", b.BatchNum, err))
		}
	}
}

// scopes returns nil at the end, or if yield returns false.
func (b Batch) scopes(yield func(json.RawMessage, error) bool) error {
	file, err := b.Open()
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	raw := io.Reader(file)
	if !b.Plain {
		if raw, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
	}
	decoder := json.NewDecoder(raw)
	if err := seekScopes(decoder); err != nil {
		return fmt.Errorf("envelope: %w", err)
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

// seekScopes reads up to the first scope of an envelope.
func seekScopes(decoder *json.Decoder) error {
	if _, err := decoder.Token(); err != nil {
		return err
	}
	for {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		if key == "scopes" {
			_, err := decoder.Token()
			return err
		}
		var skipped json.RawMessage
		if err := decoder.Decode(&skipped); err != nil {
			return err
		}
	}
}
