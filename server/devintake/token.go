package devintake

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxTextBytes = 64 << 10
	maxDigits    = 32
)

// word consumes a literal.
func (s *scanner) word(word string) error {
	s.fill(len(word))
	got := s.buf[s.start:min(s.end, s.start+len(word))]
	switch {
	case string(got) == word:
		s.start += len(word)
		return nil
	case strings.HasPrefix(word, string(got)):
		return s.ended()
	default:
		return violate("want %s, not %q", word, got)
	}
}

// integer reads a number without fraction or exponent that fits bits.
func (s *scanner) integer(bits int) (int64, error) {
	c, err := s.peek()
	if err != nil {
		return 0, err
	}
	if kindOf(c) != "a number" {
		return 0, violate("want an integer, not %s", kindOf(c))
	}
	whole, err := s.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(s.text), 10, bits)
	if !whole || err != nil {
		return 0, violate("%s is not a %d-bit integer", s.text, bits)
	}
	return n, nil
}

// number reads a number and reports whether it has neither fraction nor exponent. Its start is in
// text.
func (s *scanner) number() (whole bool, err error) {
	s.text = s.text[:0]
	s.accept("-")
	leadingZero := s.accept("0")
	digits := s.digits()
	malformed := leadingZero && digits > 0 || !leadingZero && digits == 0
	whole = true
	if s.accept(".") {
		whole = false
		malformed = malformed || s.digits() == 0
	}
	if s.accept("eE") {
		whole = false
		s.accept("+-")
		malformed = malformed || s.digits() == 0
	}
	if !malformed {
		return whole, nil
	}
	if s.start == s.end && s.srcErr != nil {
		return false, s.ended()
	}
	if len(s.text) == 0 {
		return false, violate("want a value, not %s", kindOf(s.buf[s.start]))
	}
	return false, violate("malformed number")
}

func (s *scanner) digits() (count int) {
	for s.accept("0123456789") {
		count++
	}
	return count
}

// accept consumes the next byte if it is in set.
func (s *scanner) accept(set string) bool {
	if !s.fill(1) || strings.IndexByte(set, s.buf[s.start]) < 0 {
		return false
	}
	if len(s.text) < maxDigits {
		s.text = append(s.text, s.buf[s.start])
	}
	s.start++
	return true
}

// str reads a string and returns its length in bytes as written. If keep is set, the string is in
// text, and is limited to maxTextBytes.
func (s *scanner) str(keep bool) (int, error) {
	if err := s.begin('"', "a string"); err != nil {
		return 0, err
	}
	s.text = s.text[:0]
	length := 0
	for {
		if !s.fill(1) {
			return 0, s.ended()
		}
		size := plainRun(s.buf[s.start:s.end])
		switch {
		case size > 0:
			if keep {
				s.text = append(s.text, s.buf[s.start:s.start+size]...)
			}
		case s.buf[s.start] == '"':
			s.start++
			return length, nil
		default:
			var r rune
			var err error
			if r, size, err = s.character(); err != nil {
				return 0, err
			}
			if keep {
				s.text = utf8.AppendRune(s.text, r)
			}
		}
		if len(s.text) > maxTextBytes {
			return 0, violate("string of more than %d bytes", maxTextBytes)
		}
		s.start += size
		length += size
	}
}

// plainRun returns the number of leading bytes that need no decoding.
func plainRun(b []byte) int {
	for i, c := range b {
		if !plain[c] {
			return i
		}
	}
	return len(b)
}

var plain = func() (table [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// character decodes the escape or multibyte character at the start of the buffer without consuming
// it.
func (s *scanner) character() (r rune, size int, err error) {
	switch c := s.buf[s.start]; {
	case c == '\\':
		return s.escape()
	case c < ' ':
		return 0, 0, violate("control character in a string")
	}
	s.fill(utf8.UTFMax)
	r, size = utf8.DecodeRune(s.buf[s.start:s.end])
	switch {
	case r != utf8.RuneError || size > 1:
		return r, size, nil
	case !utf8.FullRune(s.buf[s.start:s.end]):
		return 0, 0, s.ended()
	default:
		return 0, 0, violate("invalid UTF-8 in a string")
	}
}

// escape decodes the escape at the start of the buffer without consuming it.
func (s *scanner) escape() (rune, int, error) {
	if !s.fill(2) {
		return 0, 0, s.ended()
	}
	switch c := s.buf[s.start+1]; c {
	case '"', '\\', '/':
		return rune(c), 2, nil
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	case 'u':
	default:
		return 0, 0, violate("unknown escape in a string")
	}
	first, err := s.hex(0)
	if err != nil || !utf16.IsSurrogate(first) {
		return first, 6, err
	}
	second, err := s.hex(6)
	if err != nil {
		return 0, 0, err
	}
	r := utf16.DecodeRune(first, second)
	if r == utf8.RuneError {
		return 0, 0, violate("lone surrogate in a string")
	}
	return r, 12, nil
}

// hex decodes the \uXXXX at an offset of the buffer.
func (s *scanner) hex(offset int) (rune, error) {
	if !s.fill(offset + 6) {
		return 0, s.ended()
	}
	digits := s.buf[s.start+offset : s.start+offset+6]
	if digits[0] != '\\' || digits[1] != 'u' {
		return 0, violate("lone surrogate in a string")
	}
	var r rune
	for _, c := range digits[2:] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, violate("malformed escape in a string")
		}
	}
	return r, nil
}
