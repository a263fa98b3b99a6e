package baseline

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// FlushThresholdBytes is the compressed size at which a batch ends.
const FlushThresholdBytes = 2 << 20

// Encoder streams the scopes of one upload into gzip and JSON.
type Encoder struct {
	batch bytes.Buffer
	gzip  *gzip.Writer
	json  *json.Encoder
	// Emit is called with each finished batch, which is valid until it returns.
	Emit func(batch []byte) error
}

// NewEncoder returns an encoder with its own compressor, as each upload has in
// this design.
func NewEncoder(emit func([]byte) error) *Encoder {
	e := &Encoder{Emit: emit}
	e.gzip = gzip.NewWriter(&e.batch)
	e.json = json.NewEncoder(e.gzip)
	return e
}

// Add decodes a scope and writes it.
func (e *Encoder) Add(wire []byte) error {
	message := &symdbv1.Scope{}
	if err := proto.Unmarshal(wire, message); err != nil {
		return fmt.Errorf("decode scope: %w", err)
	}
	if _, err := io.WriteString(e.gzip, ","); err != nil {
		return fmt.Errorf("compress scope: %w", err)
	}
	scope := FromProto(message)
	if err := e.json.Encode(&scope); err != nil {
		return fmt.Errorf("encode scope: %w", err)
	}
	if e.batch.Len() < FlushThresholdBytes {
		return nil
	}
	return e.Flush()
}

// Len returns the compressed size of the open batch.
func (e *Encoder) Len() int { return e.batch.Len() }

// Flush ends the batch and emits it.
func (e *Encoder) Flush() error {
	if err := e.gzip.Close(); err != nil {
		return fmt.Errorf("end batch: %w", err)
	}
	if err := e.Emit(e.batch.Bytes()); err != nil {
		return err
	}
	e.batch.Reset()
	e.gzip.Reset(&e.batch)
	return nil
}
