package transcode

import (
	"math"
	"math/bits"
	"strconv"
)

// Checked is a message without errors. It refers to the bytes that were checked, which must
// not change. Release it after use, unless it is left to the garbage collector.
type Checked struct {
	root     *message
	wire     []byte
	anyOrder bool   // the fields of some messages can't be written as they lie
	notes    *notes // where fields lie; if it is nil, AppendTo looks for them
	early    bool   // see checker.early
}

// NotesBytes returns how much memory the message holds until Release, besides its wire bytes. That
// is nothing if its fields are in ascending order.
func (c Checked) NotesBytes() int {
	if c.notes == nil {
		return 0
	}
	return wordBytes * cap(c.notes.words)
}

// Release frees that memory. The message and its copies must not be used again.
func (c Checked) Release() {
	if c.notes != nil {
		c.notes.free()
	}
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
	err := c.message(p.root, wire, maxDepth)
	if err == disordered { // again from the start, since the notes must be complete
		c.anyOrder = true
		c.notes = newNotes(len(wire))
		err = c.message(p.root, wire, maxDepth)
	}
	if err != nil {
		c.dropNotes()
		return Checked{}, err
	}
	return Checked{root: p.root, wire: wire, anyOrder: c.anyOrder, notes: c.notes, early: c.early}, nil
}

// disordered ends a walk without notes at the first field that can't be written where it lies: it
// lies behind one that is written later, is another run of a list, or is set again.
var disordered = new(Error)

// checker is the state of one walk.
type checker struct {
	anyOrder bool   // see Checked.anyOrder
	notes    *notes // see Checked.notes
	// early means that a map must be written before fields that precede it on the wire.
	early bool
}

func (c *checker) message(m *message, b []byte, depth int) *Error {
	if depth <= 0 {
		return &Error{Fault: TooDeep}
	}
	var seen, present, late uint64 // fields; present has emptied ones, too
	block := 0
	if c.notes != nil {
		present, block = c.beginBlock(m)
	}
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
		if present&f.behind != 0 {
			switch {
			case !c.anyOrder:
				return disordered
			case c.notes == nil:
			case present&f.lists == 0:
				late |= present & f.behind
				c.notes.value(block, f, i)
			case !c.notes.link(block, f, i):
				c.dropNotes()
			}
		}
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
			return f.wrap(fault, m, b[:start])
		}
		seen |= f.bit
	}
	if c.notes != nil {
		c.notes.end(block, m, present, late&^noted == 0)
	}
	if missing := m.demanded &^ seen; missing != 0 {
		return &Error{Fault: Missing, Field: m.fields[bits.TrailingZeros64(missing)].name}
	}
	return nil
}

// beginBlock begins the block of message m. It returns its index, and a set that makes each field
// look as if another lay in front of it.
func (c *checker) beginBlock(m *message) (present uint64, block int) {
	block, ok := c.notes.begin(m)
	if !ok {
		c.dropNotes()
	}
	return noted, block
}

// dropNotes frees the notes, if there are any.
func (c *checker) dropNotes() {
	if c.notes != nil {
		c.notes.free()
		c.notes = nil
	}
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
			return 0, f.wrap(fault, m, b[:start])
		}
		if !f.hasTagAt(b, i) {
			return i, nil
		}
	}
}

// malformed returns the error for a truncated field. Before is the part of message m in front
// of it.
func (f *field) malformed(m *message, before []byte) *Error {
	return f.wrap(&Error{Fault: Malformed}, m, before)
}

// wrap adds the field's step to the path of an error. Before is the part of message m in front of
// it.
func (f *field) wrap(err *Error, m *message, before []byte) *Error {
	if err == disordered {
		return err
	}
	return err.under(f.step(m, before))
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
