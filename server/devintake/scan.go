package devintake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	scanBufferBytes = 32 << 10
	maxNesting      = 2048
)

// scanner reads one JSON text (RFC 8259) from a stream. It only holds a buffer, the last key or
// short string, and the keys that are kept. Unlike encoding/json it rejects invalid UTF-8 and lone
// surrogates. Errors in the text are violations; errors of the stream are returned unchanged.
type scanner struct {
	src        io.Reader
	srcErr     error
	buf        []byte
	start, end int
	depth      int
	text       []byte // the last kept string, or number
	path       []step // the position, also after an error

	found *findings
	// kept has the values of keys that the protocol does not define, or that are null.
	kept map[string]json.RawMessage
	// captured has the value that is being kept, up to the byte at mark. mark is -1 if there is none.
	captured []byte
	mark     int
	// isField is set if the last symbol_type was exactly "field".
	isField bool
}

func newScanner(src io.Reader, found *findings) *scanner {
	return &scanner{src: src, buf: make([]byte, scanBufferBytes), found: found, mark: -1}
}

// fill makes n unread bytes available, if there are as many, and reports whether there are.
func (s *scanner) fill(n int) bool {
	if s.end-s.start >= n {
		return true
	}
	s.capture()
	s.end = copy(s.buf, s.buf[s.start:s.end])
	s.start = 0
	for s.end < n && s.srcErr == nil {
		var read int
		read, s.srcErr = s.src.Read(s.buf[s.end:])
		s.end += read
	}
	return s.end >= n
}

// capture moves what was read of a value that is being kept out of the buffer.
func (s *scanner) capture() {
	if s.mark >= 0 {
		if len(s.captured) <= maxTextBytes {
			s.captured = append(s.captured, s.buf[s.mark:s.start]...)
		}
		s.mark = 0
	}
}

// raw consumes any value and returns it as written.
func (s *scanner) raw() (json.RawMessage, error) {
	if _, err := s.peek(); err != nil {
		return nil, err
	}
	s.captured, s.mark = nil, s.start
	err := s.skip()
	s.capture()
	s.mark = -1
	if err == nil && len(s.captured) > maxTextBytes {
		err = violate("the value of an unknown key has more than %d bytes", maxTextBytes)
	}
	return s.captured, err
}

func (s *scanner) ended() error {
	if errors.Is(s.srcErr, io.EOF) {
		return violate("unexpected end of the JSON")
	}
	return s.srcErr
}

// peek returns the first byte of the next token without consuming it.
func (s *scanner) peek() (byte, error) {
	for {
		for ; s.start < s.end; s.start++ {
			switch c := s.buf[s.start]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, nil
			}
		}
		if !s.fill(1) {
			return 0, s.ended()
		}
	}
}

// finish checks that only white space follows.
func (s *scanner) finish() error {
	if _, err := s.peek(); err == nil {
		return violate("data after the end of the JSON")
	}
	if errors.Is(s.srcErr, io.EOF) {
		return nil
	}
	return s.srcErr
}

// begin consumes the first byte of a value.
func (s *scanner) begin(c byte, want string) error {
	got, err := s.peek()
	if err != nil {
		return err
	}
	if got != c {
		return violate("want %s, not %s", want, kindOf(got))
	}
	s.start++
	return nil
}

func kindOf(c byte) string {
	switch {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || '0' <= c && c <= '9':
		return "a number"
	default:
		return fmt.Sprintf("%q", rune(c))
	}
}

// object calls visit at each value; visit must consume it. The key is valid until visit reads.
func (s *scanner) object(visit func(key []byte) error) error {
	if err := s.begin('{', "an object"); err != nil {
		return err
	}
	return s.elements('}', func(int) error {
		if _, err := s.str(true); err != nil {
			return err
		}
		if err := s.begin(':', "a colon"); err != nil {
			return err
		}
		return visit(s.text)
	})
}

// array calls visit at each element; visit must consume it. It returns the number of elements.
func (s *scanner) array(visit func(i int) error) (int, error) {
	if err := s.begin('[', "an array"); err != nil {
		return 0, err
	}
	count := 0
	err := s.elements(']', func(i int) error {
		count++
		s.push(step{index: i})
		if err := visit(i); err != nil {
			return err
		}
		s.pop()
		return nil
	})
	return count, err
}

func (s *scanner) elements(closing byte, visit func(i int) error) error {
	if s.depth++; s.depth > maxNesting {
		return violate("nested deeper than %d", maxNesting)
	}
	c, err := s.peek()
	if err != nil {
		return err
	}
	if c == closing {
		s.start++
		s.depth--
		return nil
	}
	for i := 0; ; i++ {
		if err := visit(i); err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return err
		}
		s.start++
		if c == closing {
			s.depth--
			return nil
		}
		if c != ',' {
			return violate("want a comma or %q, not %s", rune(closing), kindOf(c))
		}
	}
}

// skip consumes any value and checks its syntax.
func (s *scanner) skip() error {
	c, err := s.peek()
	if err != nil {
		return err
	}
	switch c {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		_, err = s.array(func(int) error { return s.skip() })
	case '"':
		_, err = s.str(false)
	case 't', 'f':
		_, err = s.boolean()
	case 'n':
		err = s.word("null")
	default:
		_, err = s.number()
	}
	return err
}

func (s *scanner) boolean() (bool, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return false, err
	case c == 't':
		return true, s.word("true")
	case c == 'f':
		return false, s.word("false")
	default:
		return false, violate("want a boolean, not %s", kindOf(c))
	}
}
