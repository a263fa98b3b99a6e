package clienttest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Upload is the part of an upload that the intake has accepted.
type Upload struct {
	ID string
	// Batches are in the order of their numbers.
	Batches []Batch
	// Scopes are the scopes of all batches, in order.
	Scopes []*symdbv1.Scope
	// Final reports whether there is a final batch.
	Final bool
}

// Batch is a batch that the intake has accepted.
type Batch struct {
	// Num is the batch_num, counted from 1.
	Num    int
	Final  bool
	Scopes []*symdbv1.Scope
	// Envelope and Event are the JSON that came with the scopes, as encoding/json decodes
	// it. Envelope does not contain the scopes.
	Envelope, Event map[string]any
	// Header is the header of the request.
	Header http.Header

	json []byte
}

// intake is an [http.Handler] that records batches.
type intake struct {
	mu       sync.Mutex
	failures []int // statuses of the next answers
	uploads  []*Upload
}

func newIntake() *intake { return &intake{} }

func (in *intake) failNext(n, status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.failures = append(in.failures, slices.Repeat([]int{status}, max(0, n))...)
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, id, err := readBatch(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(in.record(id, b))
}

// record stores a batch and returns the status of the answer.
func (in *intake) record(id string, b Batch) (status int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.failures) > 0 {
		status, in.failures = in.failures[0], in.failures[1:]
		return status
	}
	i := slices.IndexFunc(in.uploads, func(u *Upload) bool { return u.ID == id })
	if i < 0 {
		i = len(in.uploads)
		in.uploads = append(in.uploads, &Upload{ID: id})
	}
	u := in.uploads[i]
	at, isRepeated := slices.BinarySearchFunc(u.Batches, b.Num, func(b Batch, num int) int { return b.Num - num })
	switch {
	case !isRepeated:
		u.Batches = slices.Insert(u.Batches, at, b)
	case !bytes.Equal(u.Batches[at].json, b.json):
		return http.StatusConflict
	}
	return http.StatusAccepted
}

func (in *intake) snapshot() []Upload {
	in.mu.Lock()
	defer in.mu.Unlock()
	uploads := make([]Upload, 0, len(in.uploads))
	for _, u := range in.uploads {
		copied := Upload{ID: u.ID, Batches: slices.Clone(u.Batches)}
		for _, b := range u.Batches {
			copied.Scopes = append(copied.Scopes, b.Scopes...)
			copied.Final = copied.Final || b.Final
		}
		uploads = append(uploads, copied)
	}
	return uploads
}

// readBatch reads a request.
func readBatch(r *http.Request) (b Batch, uploadID string, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return b, "", fmt.Errorf("read request: %w", err)
	}
	b.Header = r.Header.Clone()
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return b, "", fmt.Errorf("read request: %w", err)
		}
		switch part.FormName() {
		case "file":
			b.json, err = decompress(part)
		case "event":
			err = json.NewDecoder(part).Decode(&b.Event)
		}
		if err != nil {
			return b, "", fmt.Errorf("part %q: %w", part.FormName(), err)
		}
	}
	uploadID, err = b.decode()
	return b, uploadID, err
}

func decompress(r io.Reader) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	text, err := io.ReadAll(z) // the server bounds it
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return text, nil
}

// decode decodes the envelope.
func (b *Batch) decode() (uploadID string, err error) {
	var envelope struct {
		UploadID string            `json:"upload_id"`
		BatchNum int               `json:"batch_num"`
		Final    bool              `json:"final"`
		Scopes   []json.RawMessage `json:"scopes"`
	}
	if err := errors.Join(json.Unmarshal(b.json, &envelope), json.Unmarshal(b.json, &b.Envelope)); err != nil {
		return "", fmt.Errorf("envelope: %w", err)
	}
	delete(b.Envelope, "scopes")
	b.Num, b.Final = envelope.BatchNum, envelope.Final
	for i, text := range envelope.Scopes {
		scope, err := decodeScope(text)
		if err != nil {
			return "", fmt.Errorf("scope %d: %w", i, err)
		}
		b.Scopes = append(b.Scopes, scope)
	}
	return envelope.UploadID, nil
}
