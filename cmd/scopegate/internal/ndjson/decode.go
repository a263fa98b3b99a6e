package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// maxDepth bounds how deep objects and arrays may be nested. It is more than
// any server takes.
const maxDepth = 1000

// Decode reads one scope. It copies what it keeps of line. Its errors are an
// [*Error].
func Decode(line []byte) (*symdbv1.Scope, error) { return decode(line, 0) }

func decode(line []byte, number int) (*symdbv1.Scope, error) {
	d := decoder{line: line, tokens: json.NewDecoder(bytes.NewReader(line))}
	d.tokens.UseNumber()
	scope, err := d.root()
	if err == nil {
		return scope, nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = d.wrong("%v", err)
	}
	e.Line = number
	return nil, e
}

// decoder reads the tokens of one line. path is where it stands; an error leaves
// it there.
type decoder struct {
	line   []byte
	tokens *json.Decoder
	path   []step
}

func (d *decoder) root() (*symdbv1.Scope, error) {
	if !utf8.Valid(d.line) {
		return nil, d.wrong("not valid UTF-8")
	}
	scope, err := d.scope()
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.Token(); !errors.Is(err, io.EOF) {
		return nil, d.wrong("something follows the scope; each scope takes a line of its own")
	}
	return scope, nil
}

func (d *decoder) wrong(format string, args ...any) *Error {
	return &Error{Path: formatPath(d.path), Reason: fmt.Sprintf(format, args...)}
}

func (d *decoder) token() (json.Token, error) {
	begin := d.tokens.InputOffset()
	token, err := d.tokens.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.wrong("the JSON ends too early")
	case err != nil:
		return nil, d.wrong("%v", err)
	}
	// encoding/json puts U+FFFD in the place of half a surrogate pair.
	if text, ok := token.(string); ok && strings.ContainsRune(text, utf8.RuneError) {
		if half := loneSurrogate(d.line[begin:d.tokens.InputOffset()]); half != "" {
			return nil, d.wrong("the escape %s is half of a surrogate pair, and stands for no character", half)
		}
	}
	return token, nil
}

// loneSurrogate returns the first escape in a JSON string that is half of a
// surrogate pair without the other half; "" where there is none.
func loneSurrogate(literal []byte) string {
	for i := 0; i < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		unit := escapedUnit(literal[i:])
		switch {
		case !utf16.IsSurrogate(unit):
			i++ // what is escaped, which may be a backslash
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

// escapedUnit is the UTF-16 unit of the escape \uXXXX at the front of text; -1 where
// there is none.
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

// begin takes the beginning of an object or an array.
func (d *decoder) begin(delimiter json.Delim, kind string) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	if token != delimiter {
		return d.wrong("%s, not %s", kindOf(token), kind)
	}
	return nil
}

// members calls member for each key of an object whose beginning was taken.
func (d *decoder) members(member func(key string) error) error {
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

// elements calls element for each element of an array whose beginning was taken.
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

// object reads an object that has some of keys, each once, among them the first
// requiredCount.
func (d *decoder) object(keys []string, requiredCount int, member func(key string) error) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	var seen uint64
	err := d.members(func(key string) error {
		i := slices.Index(keys, key)
		switch {
		case i < 0:
			return d.wrong("unknown key")
		case seen&(1<<i) != 0:
			return d.wrong("the key occurs twice")
		}
		seen |= 1 << i
		return member(key)
	})
	if err != nil {
		return err
	}
	for i, key := range keys[:requiredCount] {
		if seen&(1<<i) == 0 {
			return d.wrong("the key %s is missing", key)
		}
	}
	return nil
}

func array[T any](d *decoder, element func() (T, error)) ([]T, error) {
	if err := d.begin('[', "an array"); err != nil {
		return nil, err
	}
	var out []T
	err := d.elements(func() error {
		e, err := element()
		out = append(out, e)
		return err
	})
	return out, err
}

func optional[T any](v T, err error) (*T, error) {
	return &v, err
}

func (d *decoder) text() (string, error) {
	token, err := d.token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", d.wrong("%s, not a string", kindOf(token))
	}
	return s, nil
}

// kind reads a string that may not be empty.
func (d *decoder) kind() (string, error) {
	s, err := d.text()
	if err == nil && s == "" {
		return "", d.wrong("is empty")
	}
	return s, err
}

func (d *decoder) textOrNull() (*string, error) {
	token, err := d.token()
	if err != nil || token == nil {
		return nil, err
	}
	s, ok := token.(string)
	if !ok {
		return nil, d.wrong("%s, not a string or null", kindOf(token))
	}
	return &s, nil
}

func (d *decoder) boolean() (bool, error) {
	token, err := d.token()
	if err != nil {
		return false, err
	}
	b, ok := token.(bool)
	if !ok {
		return false, d.wrong("%s, not a boolean", kindOf(token))
	}
	return b, nil
}

func (d *decoder) integer() (int32, error) {
	token, err := d.token()
	if err != nil {
		return 0, err
	}
	number, ok := token.(json.Number)
	if !ok {
		return 0, d.wrong("%s, not an integer", kindOf(token))
	}
	n, err := strconv.ParseInt(number.String(), 10, 32)
	if err != nil {
		return 0, d.wrong("%s is not an integer of 32 bits", cut(number.String()))
	}
	return int32(n), nil
}

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
