// Package ndjson reads scopes from newline-delimited JSON: one root scope a line, or the
// envelope of a batch, as docs/ndjson.md describes.
//
// Start with [Scopes], or with [Decode] for a single line. Both refuse repeated keys, values
// of another type, and integers out of range. Unknown keys go to the open maps of a scope, a
// symbol and language_specifics. Null is an absent field.
//
// It is not a general JSON decoder, and ignores the other keys of an envelope.
package ndjson

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/textfile"
)

const (
	readBytes = 64 << 10
	// keptBytes is the largest line buffer that is reused.
	keptBytes = 1 << 20
)

// Scopes returns the scopes in r, in order. It skips blank lines, and byte order marks
// at the beginning of a line. Only one line is in memory at a time. The caller owns the
// scopes. The sequence can be ranged over once.
//
// The first error, with a nil scope, ends the sequence. It is an [*Error] if a line is
// wrong or longer than maxLineBytes, and otherwise an error of r.
func Scopes(r io.Reader, maxLineBytes int) iter.Seq2[*symdbv1.Scope, error] {
	return ScopesOfLines(r, maxLineBytes, func(int) {})
}

// ScopesOfLines is [Scopes]. Before the scopes of a line it calls begin with its number.
func ScopesOfLines(r io.Reader, maxLineBytes int, begin func(line int)) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		lines := lineReader{source: bufio.NewReaderSize(r, readBytes), maxBytes: maxLineBytes}
		for {
			line, err := lines.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(line) == 0 {
				continue
			}
			scopes, err := decode(line, lines.number)
			if err != nil {
				yield(nil, err)
				return
			}
			begin(lines.number)
			for _, scope := range scopes {
				if !yield(scope, nil) {
					return
				}
			}
		}
	}
}

// lineReader reads lines of a bounded length.
type lineReader struct {
	source   *bufio.Reader
	maxBytes int
	number   int
	line     []byte
}

// next returns the next line, without a byte order mark and surrounding space, or io.EOF.
// The line is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	if cap(l.line) > keptBytes {
		l.line = nil
	}
	l.line = l.line[:0]
	l.number++
	for {
		piece, err := l.source.ReadSlice('\n')
		if len(l.line)+len(bytes.TrimRight(piece, "\r\n")) > l.maxBytes {
			return nil, &Error{Line: l.number, Reason: fmt.Sprintf("longer than %d bytes: see --max-line-bytes", l.maxBytes)}
		}
		l.line = append(l.line, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.line) == 0:
			return nil, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read line %d: %w", l.number, err)
		}
		skip, err := textfile.Begin(l.line) // on any line, because files may have been joined
		if err != nil {
			return nil, &Error{Line: l.number, Reason: err.Error()}
		}
		return bytes.Trim(l.line[skip:], " \t\r\n"), nil
	}
}
