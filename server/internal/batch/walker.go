package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrMalformed means that an [Assembler] can't have written the batch.
var ErrMalformed = errors.New("malformed batch")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

const (
	walkBytes = 32 << 10
	// maxNesting is far more than the depth of messages allows.
	maxNesting = 4096
)

// walker reads JSON without white space from a stream. It finds the ends of values, and
// checks no more of their syntax than that needs.
type walker struct {
	sources []source // the last one is read first
	buffer  []byte
	unread  []byte // part of buffer
}

// source is closed at its end.
type source struct {
	io.Reader
	close func()
}

func newWalker(r io.Reader) walker {
	return walker{sources: []source{{r, func() {}}}, buffer: make([]byte, walkBytes)}
}

// pushBack inserts r before the rest of the input.
func (w *walker) pushBack(r io.Reader, closeIt func()) {
	if len(w.unread) > 0 {
		w.sources = append(w.sources, source{bytes.NewReader(bytes.Clone(w.unread)), func() {}})
		w.unread = nil
	}
	w.sources = append(w.sources, source{r, closeIt})
}

// close closes the remaining sources.
func (w *walker) close() {
	for _, s := range w.sources {
		s.close()
	}
	w.sources = nil
}

// peek returns the next byte without consuming it, or io.EOF.
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

// need is like peek, but fails at the end.
func (w *walker) need() (byte, error) {
	c, err := w.peek()
	if errors.Is(err, io.EOF) {
		return 0, malformed("unexpected end of the JSON")
	}
	return c, err
}

// expect consumes literal.
func (w *walker) expect(literal string) error {
	for i := range len(literal) {
		c, err := w.need()
		if err != nil {
			return err
		}
		if c != literal[i] {
			return malformed("found %q, want %q", c, literal[i])
		}
		w.unread = w.unread[1:]
	}
	return nil
}

// ended reports whether all has been consumed.
func (w *walker) ended() bool {
	_, err := w.peek()
	return errors.Is(err, io.EOF)
}

// sink receives JSON. It must not keep the slice. Its error ends the walk, after the bytes
// have been consumed.
type sink func(json []byte) error

// pass passes the next n unread bytes to the sink.
func (w *walker) pass(n int, dst sink) error {
	piece := w.unread[:n]
	w.unread = w.unread[n:]
	return dst(piece)
}

// value passes one value of any kind to the sink, in pieces.
func (w *walker) value(dst sink) error {
	c, err := w.need()
	if err != nil {
		return err
	}
	if c != '"' && c != '{' && c != '[' {
		return w.literal(dst)
	}
	var pos position
	for {
		for i, c := range w.unread {
			if ended, ok := pos.advance(c); !ok {
				return malformed("mismatched brackets, or nested too deep")
			} else if ended {
				return w.pass(i+1, dst)
			}
		}
		if err := w.pass(len(w.unread), dst); err != nil {
			return err
		}
		if _, err := w.need(); err != nil {
			return err
		}
	}
}

// literal passes a number, a boolean or null.
func (w *walker) literal(dst sink) error {
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
			return malformed("found %q, want a value", w.unread[0])
		}
		if err := w.pass(n, dst); err != nil || ended {
			return err
		}
	}
}

func inLiteral(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == 'E' || c == '-' || c == '+' || c == '.'
}

// position is the walker's position in a value.
type position struct {
	inText, escaped bool
	depth           int
	// objects has a bit for each open bracket, set if it is a brace.
	objects [maxNesting / 64]uint64
}

// advance moves past one byte. It reports whether the value ends with it, and whether the
// byte is allowed there.
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

var errTooLong = errors.New("own keys are too long")

// The keys of a scope after its own ones.
const (
	symbolsKey = `"symbols"`
	scopesKey  = `"scopes"`
)

// ownKeys reads a scope up to the colon of its symbols or scopes. It returns the text of the
// keys before, from the brace, and which key follows, or "" if the scope ends. With an error,
// own is the text so far.
func (w *walker) ownKeys(maxBytes int) (own []byte, next string, err error) {
	keep := func(json []byte) error {
		n := min(len(json), maxBytes-len(own))
		if own = append(own, json[:n]...); n < len(json) {
			return errTooLong
		}
		return nil
	}
	copyLiteral := func(punctuation string) error {
		if err := w.expect(punctuation); err != nil {
			return err
		}
		return keep([]byte(punctuation))
	}
	const first = `{"scope_type":`
	if err := copyLiteral(first); err != nil {
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
		if err := copyLiteral(","); err != nil {
			return own, "", err
		}
		if c, err := w.need(); err != nil {
			return own, "", err
		} else if c != '"' {
			return own, "", malformed("found %q, want a key", c)
		}
		if err := w.value(keep); err != nil {
			return own, "", err
		}
		key := string(own[before+1:])
		if err := copyLiteral(":"); err != nil {
			return own, "", err
		}
		if key == symbolsKey || key == scopesKey {
			return own[:before], key, nil
		}
	}
}
