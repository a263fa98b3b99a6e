package payload

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/scopegate/scopegate/server/textfile"
)

const readBytes = 64 << 10

// Read calls scope for each root scope in r, and returns its error. r is a sequence of scopes and
// envelopes, and may be gzipped. At most one root scope is in memory, unless an envelope has its
// scopes before its service.
func Read(r io.Reader, scope func(map[string]any) error) error {
	text, err := decompress(r)
	if err != nil {
		return err
	}
	d := &decoder{json: json.NewDecoder(text), scope: scope}
	d.json.UseNumber()
	for count := 0; ; count++ {
		token, err := d.json.Token()
		switch {
		case errors.Is(err, io.EOF) && count > 0:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("no scopes found")
		case err != nil:
			return d.wrong(err)
		case token != json.Delim('{'):
			return d.wrong(errors.New("neither a scope nor an envelope"))
		}
		if err := d.object(); err != nil {
			return err
		}
	}
}

// decompress returns r, decompressed if it is gzip, without a byte order mark.
func decompress(r io.Reader) (io.Reader, error) {
	text := bufio.NewReaderSize(r, readBytes)
	if head, _ := text.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		member, err := gzip.NewReader(text)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		text = bufio.NewReaderSize(member, readBytes)
	}
	head, _ := text.Peek(len(textfile.BOM))
	skip, err := textfile.Begin(head)
	if err != nil {
		return nil, err
	}
	_, err = text.Discard(skip)
	return text, err
}

// decoder reads scopes and envelopes.
type decoder struct {
	json  *json.Decoder
	scope func(map[string]any) error
}

// wrong adds the position to an error about the text.
func (d *decoder) wrong(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("at byte %d: %w", d.json.InputOffset(), err)
}

// object reads a scope or an envelope whose brace was read.
func (d *decoder) object() error {
	own := make(map[string]any)
	streamed := false
	for d.json.More() {
		token, err := d.json.Token()
		if err != nil {
			return d.wrong(err)
		}
		key, ok := token.(string)
		if !ok {
			return d.wrong(errors.New("not a key"))
		}
		if _, twice := own[key]; twice {
			return d.wrong(fmt.Errorf("duplicate key %q", key))
		}
		if key == "scopes" && isEnvelope(own) {
			own[key], streamed = nil, true
			if err := d.scopes(); err != nil {
				return err
			}
			continue
		}
		var value any
		if err := d.json.Decode(&value); err != nil {
			return d.wrong(err)
		}
		own[key] = value
	}
	if _, err := d.json.Token(); err != nil {
		return d.wrong(err)
	}
	_, isScope := own["scope_type"]
	switch {
	case isScope && streamed:
		return d.wrong(errors.New("the key service of a scope must come after scope_type"))
	case isScope:
		return d.scope(own)
	case streamed:
		return nil
	case isEnvelope(own):
		return d.each(own["scopes"])
	}
	return d.wrong(errors.New("neither a scope nor an envelope: it has no scope_type and no service"))
}

// isEnvelope reports whether an object with these keys is the envelope of a batch.
func isEnvelope(own map[string]any) bool {
	_, isScope := own["scope_type"]
	_, hasService := own["service"]
	return hasService && !isScope
}

// scopes reads the scopes of an envelope one by one.
func (d *decoder) scopes() error {
	switch token, err := d.json.Token(); {
	case err != nil:
		return d.wrong(err)
	case token == nil:
		return nil
	case token != json.Delim('['):
		return d.wrong(errors.New("scopes is not an array"))
	}
	for d.json.More() {
		var scope map[string]any
		if err := d.json.Decode(&scope); err != nil {
			return d.wrong(err)
		}
		if scope == nil {
			return d.wrong(errors.New("a scope is null"))
		}
		if err := d.scope(scope); err != nil {
			return err
		}
	}
	if _, err := d.json.Token(); err != nil {
		return d.wrong(err)
	}
	return nil
}

// each passes on the scopes of an envelope that was read whole.
func (d *decoder) each(scopes any) error {
	list, ok := scopes.([]any)
	if !ok && scopes != nil {
		return d.wrong(errors.New("scopes is not an array"))
	}
	for _, value := range list {
		scope, ok := value.(map[string]any)
		if !ok {
			return d.wrong(errors.New("a scope is not an object"))
		}
		if err := d.scope(scope); err != nil {
			return err
		}
	}
	return nil
}
