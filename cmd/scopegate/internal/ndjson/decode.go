package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxDepth bounds the nesting of objects and arrays. No server accepts as many levels.
const maxDepth = 1000

// Decode reads a line: one scope, or the scopes of an envelope. They share no memory with line. Its
// errors are an [*Error].
func Decode(line []byte) ([]*symdbv1.Scope, error) { return decode(line, 0) }

func decode(line []byte, number int) ([]*symdbv1.Scope, error) {
	d := decoder{line: line, tokens: json.NewDecoder(bytes.NewReader(line))}
	d.tokens.UseNumber()
	scopes, err := d.scopes()
	if err == nil {
		return scopes, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = d.wrong("%v", err)
	}
	e.Line = number
	return nil, e
}

// decoder reads the tokens of one line. path is its position, also after an error.
type decoder struct {
	line   []byte
	tokens *json.Decoder
	path   []step
}

func (d *decoder) scopes() ([]*symdbv1.Scope, error) {
	if !utf8.Valid(d.line) {
		return nil, d.wrong("not valid UTF-8")
	}
	if err := d.begin('{', "an object"); err != nil {
		return nil, err
	}
	root := &symdbv1.Scope{}
	seen, err := d.members(root.ProtoReflect())
	if err != nil {
		return nil, err
	}
	scopes := []*symdbv1.Scope{root}
	if isEnvelope(seen) {
		scopes = root.GetScopes()
	} else if err := d.complete(root.ProtoReflect(), seen); err != nil {
		return nil, err
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, d.wrong("text after the scope: each scope must be on its own line")
	}
	return scopes, nil
}

// isEnvelope reports whether an object with these keys, which was read as a scope, is the envelope
// of a batch. What it has beside its scopes is then among the additional keys.
func isEnvelope(seen map[string]bool) bool {
	return seen["scopes"] && seen["service"] && !seen["scope_type"]
}

func (d *decoder) wrong(format string, args ...any) *Error {
	return &Error{Path: formatPath(d.path), Reason: fmt.Sprintf(format, args...)}
}

func (d *decoder) token() (json.Token, error) {
	begin := d.tokens.InputOffset()
	token, err := d.tokens.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.wrong("unexpected end of JSON: each scope must be on one line, as jq -c prints it")
	case err != nil:
		return nil, d.wrong("%v", err)
	}
	// encoding/json replaces half a surrogate pair by U+FFFD.
	if text, ok := token.(string); ok && strings.ContainsRune(text, utf8.RuneError) {
		if half := loneSurrogate(d.line[begin:d.tokens.InputOffset()]); half != "" {
			return nil, d.wrong("the escape %s is an unpaired surrogate", half)
		}
	}
	return token, nil
}

// loneSurrogate returns the first escape in a JSON string that is half of a surrogate
// pair without the other half, or "".
func loneSurrogate(literal []byte) string {
	for i := 0; i < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		unit := escapedUnit(literal[i:])
		switch {
		case !utf16.IsSurrogate(unit):
			i++ // the escaped character may be a backslash
		case utf16.DecodeRune(unit, escapedUnit(literal[i+escapeBytes:])) == utf8.RuneError:
			return string(literal[i : i+escapeBytes])
		default:
			i += 2*escapeBytes - 1
		}
	}
	return ""
}

// escapeBytes is the length of an escape such as \ud83d.
const escapeBytes = 6

// escapedUnit returns the UTF-16 unit of the escape \uXXXX that text begins with, or -1.
func escapedUnit(text []byte) rune {
	if len(text) < escapeBytes || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:escapeBytes]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// begin reads the delimiter that begins an object or an array.
func (d *decoder) begin(delimiter json.Delim, kind string) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	return d.expect(token, delimiter, kind)
}

func (d *decoder) expect(token json.Token, delimiter json.Delim, kind string) error {
	if token != delimiter {
		return d.wrong("%s, not %s", kindOf(token), kind)
	}
	return nil
}

// object calls member for each key of an object whose delimiter was read.
func (d *decoder) object(member func(key string) error) error {
	for d.tokens.More() {
		token, err := d.token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return d.wrong("%s, not a key", kindOf(token))
		}
		if err := d.push(step{key: key, index: -1}); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		d.pop()
	}
	_, err := d.token()
	return err
}

// elements calls element for each element of an array whose delimiter was read.
func (d *decoder) elements(element func() error) error {
	for i := 0; d.tokens.More(); i++ {
		if err := d.push(step{index: i}); err != nil {
			return err
		}
		if err := element(); err != nil {
			return err
		}
		d.pop()
	}
	_, err := d.token()
	return err
}

func (d *decoder) push(s step) error {
	if len(d.path) == maxDepth {
		d.path = d.path[:1]
		return d.wrong("nested deeper than %d", maxDepth)
	}
	d.path = append(d.path, s)
	return nil
}

func (d *decoder) pop() { d.path = d.path[:len(d.path)-1] }

func cut(s string) string {
	if len(s) > maxQuotedBytes {
		return s[:maxQuotedBytes] + "…"
	}
	return s
}

func kindOf(token json.Token) string {
	switch t := token.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case json.Delim:
		if t == '[' {
			return "an array"
		}
	}
	return "an object"
}
