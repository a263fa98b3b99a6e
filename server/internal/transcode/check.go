package transcode

import (
	"math/bits"
	"strconv"
)

// Checked is a message that [Plan.Check] found nothing wrong with. It refers to
// the bytes that were checked, and is valid as long as they are not changed.
type Checked struct {
	root    *message
	wire    []byte
	ordered bool
}

// Check walks over a message's wire bytes and finds all that can be wrong with
// it: malformed protobuf, invalid UTF-8, messages nested deeper than maxDepth
// (the root counts as 1), a required field that is left out, a message field
// set twice, a number that JSON can't hold. The error is an [*Error].
//
// As protobuf demands, unknown fields are skipped, and of a scalar set several
// times the last one counts.
func (p *Plan) Check(wire []byte, maxDepth int) (Checked, error) {
	c := checker{ordered: true}
	if err := c.message(p.root, wire, maxDepth); err != nil {
		return Checked{}, err
	}
	return Checked{root: p.root, wire: wire, ordered: c.ordered}, nil
}

// checker is the state of one walk.
type checker struct {
	// ordered tells that the fields of all messages come by ascending number,
	// as encoders write them, so that they can be written as they are read.
	ordered bool
}

func (c *checker) message(m *message, b []byte, depth int) *Error {
	if depth <= 0 {
		return &Error{Fault: TooDeep}
	}
	var seen uint64
	last, keys := -1, 0
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
		// v is the value, or the length of the value behind it.
		if i == len(b) {
			return (&Error{Fault: Malformed}).under(f.step(m, b[:start]))
		}
		v := uint64(b[i])
		if i++; v >= 0x80 {
			if v, i = varint(b, i-1); i < 0 {
				return (&Error{Fault: Malformed}).under(f.step(m, b[:start]))
			}
		}
		bit := f.bit
		if f.length {
			if v > uint64(len(b)-i) {
				return (&Error{Fault: Malformed}).under(f.step(m, b[:start]))
			}
			value := b[i : i+int(v)]
			i += len(value)
			var fault *Error
			switch f.kind {
			case stringKind:
				if !validUTF8(value) {
					fault = &Error{Fault: InvalidUTF8}
				} else if len(value) == 0 && f.absent == nonEmpty {
					seen &^= bit
					bit = 0
				}
			case messageKind:
				switch {
				case !f.list && seen&bit != 0:
					fault = &Error{Fault: Repeated}
				case f.child.numbers && depth > 1 && f.child.plainNumbers(value):
				default:
					fault = c.message(f.child, value, depth-1)
				}
			case mapKind:
				if keys++; keys > maxEntries {
					fault = &Error{Fault: TooMany}
				} else {
					fault = checkEntry(value, depth-1)
				}
			case int32Kind, boolKind: // have no length
			}
			if fault != nil {
				return fault.under(f.step(m, b[:start]))
			}
		}
		seen |= bit
		if int(f.index) < last || int(f.index) == last && !f.list && f.kind != mapKind {
			c.ordered = false
		}
		last = int(f.index)
	}
	if missing := m.demanded &^ seen; missing != 0 {
		return &Error{Fault: Missing, Field: m.fields[bits.TrailingZeros64(missing)].name}
	}
	return nil
}

// step names the field in a path: with its ordinal where it is a list. before
// holds the fields in front of it in the message m.
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
