package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrMalformed tells that a batch does not hold what an [Assembler] writes.
var ErrMalformed = errors.New("malformed batch")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

const (
	walkBytes = 32 << 10
	// maxNesting is far beyond what the depth of messages allows.
	maxNesting = 4096
)

// walker reads JSON without white space from a stream. It finds where values
// end, and checks no more of their syntax than that takes. It holds walkBytes.
type walker struct {
	sources []source // the last one is read first
	buffer  []byte
	// unread is the part of buffer that is not yet taken.
	unread []byte
}

// source is read to its end and then closed.
type source struct {
	io.Reader
	close func()
}

func newWalker(r io.Reader) walker {
	return walker{sources: []source{{r, func() {}}}, buffer: make([]byte, walkBytes)}
}

// pushBack puts r in front of what is still to be read.
func (w *walker) pushBack(r io.Reader, closeIt func()) {
	if len(w.unread) > 0 {
		w.sources = append(w.sources, source{bytes.NewReader(bytes.Clone(w.unread)), func() {}})
		w.unread = nil
	}
	w.sources = append(w.sources, source{r, closeIt})
}

// close closes the sources that have not come to their end.
func (w *walker) close() {
	for _, s := range w.sources {
		s.close()
	}
	w.sources = nil
}

// peek returns the next byte without taking it; io.EOF at the end.
func (w *walker) peek() (byte, error) {
	for idle := 0; len(w.unread) == 0; idle++ {
		last := len(w.sources) - 1
		if last < 0 {
			return 0, io.EOF
		}
		n, err := w.sources[last].Read(w.buffer)
		w.unread = w.buffer[:n]
		switch {
		case n > 0: // the error comes again
		case errors.Is(err, io.EOF):
			w.sources[last].close()
			w.sources = w.sources[:last]
		case err != nil:
			return 0, fmt.Errorf("decompress: %w", err)
		case idle == 100:
			return 0, fmt.Errorf("decompress: %w", io.ErrNoProgress)
		}
	}
	return w.unread[0], nil
}

// need is peek where the JSON can't be at its end.
func (w *walker) need() (byte, error) {
	c, err := w.peek()
	if errors.Is(err, io.EOF) {
		return 0, malformed("the JSON ends too early")
	}
	return c, err
}

// expect takes literal, or fails.
func (w *walker) expect(literal string) error {
	for i := range len(literal) {
		c, err := w.need()
		if err != nil {
			return err
		}
		if c != literal[i] {
			return malformed("%q stands where %q should", c, literal[i])
		}
		w.unread = w.unread[1:]
	}
	return nil
}

// ended reports whether everything has been taken.
func (w *walker) ended() bool {
	_, err := w.peek()
	return errors.Is(err, io.EOF)
}

// sink takes JSON. It may keep the slice until it returns. Its error ends the
// walk; the bytes count as taken.
type sink func(json []byte) error

// hand takes the next n bytes of what is unread and hands them on.
func (w *walker) hand(n int, to sink) error {
	piece := w.unread[:n]
	w.unread = w.unread[n:]
	return to(piece)
}

// value takes one value of any kind and hands it on in pieces.
func (w *walker) value(to sink) error {
	c, err := w.need()
	if err != nil {
		return err
	}
	if c != '"' && c != '{' && c != '[' {
		return w.literal(to)
	}
	var at position
	for {
		for i, c := range w.unread {
			if ended, ok := at.advance(c); !ok {
				return malformed("brackets do not match, or too many are open")
			} else if ended {
				return w.hand(i+1, to)
			}
		}
		if err := w.hand(len(w.unread), to); err != nil {
			return err
		}
		if _, err := w.need(); err != nil {
			return err
		}
	}
}

// literal takes a number, a boolean or null.
func (w *walker) literal(to sink) error {
	for length := 0; ; {
		if _, err := w.need(); err != nil {
			return err
		}
		n := 0
		for n < len(w.unread) && inLiteral(w.unread[n]) {
			n++
		}
		ended := n < len(w.unread)
		if length += n; ended && length == 0 {
			return malformed("%q stands where a value should begin", w.unread[0])
		}
		if err := w.hand(n, to); err != nil || ended {
			return err
		}
	}
}

func inLiteral(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == 'E' || c == '-' || c == '+' || c == '.'
}

// position is where in a value the walker stands.
type position struct {
	inText, escaped bool
	depth           int
	// objects has a bit for each open bracket, innermost at depth-1: whether it
	// is a brace.
	objects [maxNesting / 64]uint64
}

// advance goes on by one byte. It tells whether the value ends with it, and is
// not ok where the byte can't stand there.
func (p *position) advance(c byte) (ended, ok bool) {
	switch {
	case p.escaped:
		p.escaped = false
	case p.inText:
		p.escaped = c == '\\'
		p.inText = c != '"'
	case c == '"':
		p.inText = true
	case c == '{', c == '[':
		if p.depth == maxNesting {
			return false, false
		}
		bit := uint64(1) << (p.depth % 64)
		p.objects[p.depth/64] &^= bit
		if c == '{' {
			p.objects[p.depth/64] |= bit
		}
		p.depth++
	case c == '}', c == ']':
		p.depth-- // at least one is open, or the value would have ended
		object := p.objects[p.depth/64]>>(p.depth%64)&1 == 1
		if object != (c == '}') {
			return false, false
		}
	}
	return p.depth == 0 && !p.inText, true
}

// errTooLong ends the reading of own keys that take more room than there is.
var errTooLong = errors.New("own keys are too long")

// The keys of a scope behind its own ones.
const (
	symbolsKey = `"symbols"`
	scopesKey  = `"scopes"`
)

// ownKeys takes a scope up to its symbols or scopes. It returns the scope's
// other keys, from the brace on, and which key comes next, whose colon is taken;
// empty where the scope has ended. With an error own holds what was read.
func (w *walker) ownKeys(maxBytes int) (own []byte, next string, err error) {
	keep := func(json []byte) error {
		n := min(len(json), maxBytes-len(own))
		if own = append(own, json[:n]...); n < len(json) {
			return errTooLong
		}
		return nil
	}
	take := func(punctuation string) error {
		if err := w.expect(punctuation); err != nil {
			return err
		}
		return keep([]byte(punctuation))
	}
	const first = `{"scope_type":`
	if err := take(first); err != nil {
		return own, "", err
	}
	for {
		if err := w.value(keep); err != nil {
			return own, "", err
		}
		if c, err := w.need(); err != nil || c == '}' {
			return own, "", err
		}
		before := len(own)
		if err := take(","); err != nil {
			return own, "", err
		}
		if c, err := w.need(); err != nil {
			return own, "", err
		} else if c != '"' {
			return own, "", malformed("%q stands where a key should", c)
		}
		if err := w.value(keep); err != nil {
			return own, "", err
		}
		key := string(own[before+1:])
		if err := take(":"); err != nil {
			return own, "", err
		}
		if key == symbolsKey || key == scopesKey {
			return own[:before], key, nil
		}
	}
}
