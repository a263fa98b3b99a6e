package transcode

import (
	"math"
	"math/bits"
	"strconv"
)

// Checked is a message without errors. It refers to the bytes that were checked, which must
// not change.
type Checked struct {
	root     *message
	wire     []byte
	anyOrder bool // see checker.late
	early    bool // see checker.early
}

// Check checks the wire bytes of a message. Its error is an [*Error]: malformed protobuf,
// invalid UTF-8, messages nested deeper than maxDepth (the root counts as 1), a missing
// required field, a message field set twice, or a number that JSON can't represent.
//
// As in protobuf, unknown fields are skipped, and the last value of a scalar counts.
func (p *Plan) Check(wire []byte, maxDepth int) (Checked, error) {
	if len(wire) > math.MaxInt32 { // more than protobuf allows
		return Checked{}, &Error{Fault: Malformed}
	}
	var c checker
	if err := c.message(p.root, wire, maxDepth); err != nil {
		return Checked{}, err
	}
	return Checked{root: p.root, wire: wire, anyOrder: c.late != 0, early: c.early}, nil
}

// checker is the state of one walk.
type checker struct {
	// late is not empty if a field lies behind one that is written later, a list lies in
	// several runs, or another field is set twice. Then fields can't be written as they lie.
	late uint64
	// early means that a map must be written before fields that precede it on the wire.
	early bool
}

func (c *checker) message(m *message, b []byte, depth int) *Error {
	if depth <= 0 {
		return &Error{Fault: TooDeep}
	}
	var seen, present uint64 // fields; present has emptied ones, too
	keys := 0
	for i := 0; i < len(b); {
		start := i
		tag := uint64(b[i])
		if i++; tag >= 0x80 {
			if tag, i = varint(b, start); i < 0 {
				return &Error{Fault: Malformed}
			}
		}
		f := m.lookup(tag)
		if f == nil {
			if i = skip(b, i, tag); i < 0 {
				return &Error{Fault: Malformed}
			}
			continue
		}
		c.late |= present & f.behind
		present |= f.bit
		if f.list {
			var err *Error
			if i, err = c.run(m, f, b, start, i, depth); err != nil {
				return err
			}
			continue
		}
		// v is the value, or its length.
		if i == len(b) {
			return f.malformed(m, b[:start])
		}
		v := uint64(b[i])
		if i++; v >= 0x80 {
			if v, i = varint(b, i-1); i < 0 {
				return f.malformed(m, b[:start])
			}
		}
		if f.kind == int32Kind || f.kind == boolKind {
			seen |= f.bit
			continue
		}
		if v > uint64(len(b)-i) {
			return f.malformed(m, b[:start])
		}
		value := b[i : i+int(v)]
		i += len(value)
		var fault *Error
		switch f.kind {
		case stringKind:
			switch {
			case !shortASCII(value) && !validUTF8(value):
				fault = &Error{Fault: InvalidUTF8}
			case len(value) == 0 && f.absent == nonEmpty:
				seen &^= f.bit
				continue
			}
		case messageKind:
			if seen&f.bit != 0 {
				fault = &Error{Fault: Repeated}
			} else {
				fault = c.message(f.child, value, depth-1)
			}
		case mapKind:
			c.early = c.early || m.early != 0
			if keys++; keys > maxEntries {
				fault = &Error{Fault: TooMany}
			} else {
				fault = checkEntry(value, depth-1)
			}
		case int32Kind, boolKind: // handled above
		}
		if fault != nil {
			return fault.under(f.step(m, b[:start]))
		}
		seen |= f.bit
	}
	if missing := m.demanded &^ seen; missing != 0 {
		return &Error{Fault: Missing, Field: m.fields[bits.TrailingZeros64(missing)].name}
	}
	return nil
}

// run checks consecutive values of the list f in message m, and returns the index after the
// last. The first is at b[i:], its tag at b[start:].
func (c *checker) run(m *message, f *field, b []byte, start, i, depth int) (int, *Error) {
	for ; ; start, i = i, i+f.tagBytes {
		if i == len(b) {
			return 0, f.malformed(m, b[:start])
		}
		v := uint64(b[i])
		if i++; v >= 0x80 {
			if v, i = varint(b, i-1); i < 0 {
				return 0, f.malformed(m, b[:start])
			}
		}
		if v > uint64(len(b)-i) {
			return 0, f.malformed(m, b[:start])
		}
		value := b[i : i+int(v)]
		i += len(value)
		var fault *Error
		switch {
		case f.kind == stringKind:
			if !validUTF8(value) {
				fault = &Error{Fault: InvalidUTF8}
			}
		case f.child.numbers && depth > 1 && f.child.plainNumbers(value):
		default:
			fault = c.message(f.child, value, depth-1)
		}
		if fault != nil {
			return 0, fault.under(f.step(m, b[:start]))
		}
		if !f.hasTagAt(b, i) {
			return i, nil
		}
	}
}

// malformed returns the error for a truncated field. Before is the part of message m in front
// of it.
func (f *field) malformed(m *message, before []byte) *Error {
	return (&Error{Fault: Malformed}).under(f.step(m, before))
}

// step returns the field's step in a path, with the index if it is a list. Before is the part
// of message m in front of it.
func (f *field) step(m *message, before []byte) string {
	if f.kind == mapKind || !f.list {
		return f.name
	}
	n := 0
	for range m.occurrences(f, before) {
		n++
	}
	return f.name + "[" + strconv.Itoa(n) + "]"
}
