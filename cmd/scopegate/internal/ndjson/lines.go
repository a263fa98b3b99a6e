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

// DefaultMaxLineBytes is room for the largest root scopes that are known, of
// about 20 MB.
const DefaultMaxLineBytes = 64 << 20

const (
	readBytes = 64 << 10
	// keptBytes is the largest line buffer that is kept for the next line.
	keptBytes = 1 << 20
)

// Scopes ranges over the scopes in r, in order. Blank lines are skipped, and so is a
// byte order mark at the front of a line; the last line need not end. One line is in
// memory at a time; the scope belongs to the caller. The sequence can be ranged over
// once.
//
// The first error ends the range, beside a nil scope: an [*Error] that names the
// line, also where it is longer than maxLineBytes, or what r returned.
func Scopes(r io.Reader, maxLineBytes int) iter.Seq2[*symdbv1.Scope, error] {
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
			scope, err := decode(line, lines.number)
			if !yield(scope, err) || err != nil {
				return
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

// next returns the next line without a byte order mark and the space around it, valid
// until the next call, or io.EOF.
func (l *lineReader) next() ([]byte, error) {
	if cap(l.line) > keptBytes {
		l.line = nil
	}
	l.line = l.line[:0]
	l.number++
	for {
		piece, err := l.source.ReadSlice('\n')
		if len(l.line)+len(bytes.TrimRight(piece, "\r\n")) > l.maxBytes {
			return nil, &Error{Line: l.number, Reason: fmt.Sprintf("longer than %d bytes", l.maxBytes)}
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
		skip, err := textfile.Begin(l.line) // of any line: files may have been joined
		if err != nil {
			return nil, &Error{Line: l.number, Reason: err.Error()}
		}
		return bytes.Trim(l.line[skip:], " \t\r\n"), nil
	}
}
