package transcode

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Plan is a compiled message descriptor. It is immutable.
type Plan struct {
	root *message
}

// Rules are exceptions from the treatment that follows from a field's declaration. Fields have
// full names, such as `symdb.v1.Symbol.type`.
type Rules struct {
	// Null lists `optional` fields that are null if they are absent.
	Null []protoreflect.FullName
	// Required lists `optional` fields that must be set, but may be empty.
	Required []protoreflect.FullName
	// Reserved lists messages whose map never gives a key that the message has a field for,
	// with the field before which the map is written. The map of other messages is written
	// last, and gives the keys of fields that are not written.
	Reserved map[protoreflect.FullName]protoreflect.Name
}

// absence is the treatment of an absent field.
type absence uint8

const (
	omitted  absence = iota // no key: `optional`, repeated and message fields
	zero                    // `0` or `false`: plain numbers and booleans
	null                    // `null`: Rules.Null
	required                // refused: Rules.Required
	nonEmpty                // refused, even if only empty: plain strings
)

type kind uint8

const (
	stringKind kind = iota
	int32Kind
	boolKind
	messageKind
	mapKind // map<string, google.protobuf.Value>, written into the object around it
)

type field struct {
	kind     kind
	list     bool
	absent   absence
	index    uint8  // in message.fields
	bit      uint64 // 1 << index, for sets of fields
	lists    uint64 // bit if it is a list, or else 0
	behind   uint64 // the field and those behind it, or for a map, which may lie anywhere, none; and noted
	slots    slots
	tag      [2]byte // encoded
	tagBytes int
	// key is `{"name":`. It is copied in full, and then cut.
	key      [maxKeyBytes]byte
	keyBytes int
	child    *message
	name     string
}

type message struct {
	fields   []field        // by field number
	byTag    [maxTag]*field // by number and wire type
	numbers  bool           // see numbers.go
	filled   uint64         // fields that are written even if they are absent
	demanded uint64         // fields that must not be absent
	reserved bool           // see Rules.Reserved
	early    uint64         // bit of the field before which the map is written, if there is one
	open     *field         // the map, if there is one
	words    int            // of a block, see order.go
}

const (
	// maxNumber limits field numbers, so that a lookup is one load.
	maxNumber = 127
	maxTag    = (maxNumber + 1) << 3
	// maxFields is the size of a set of fields, which has one more bit.
	maxFields = 63
	noted     = 1 << maxFields // see checker.beginBlock
	// maxKeyBytes limits a rendered key.
	maxKeyBytes = 32
)

// Compile returns a plan for desc and all messages below it. Its error names the field whose
// declaration is not supported.
//
// A message may have string, int32, bool and message fields, lists of strings and messages, and
// one map<string, google.protobuf.Value>, whose entries become keys like the fields. Numbers
// go up to 127; the map has the highest.
func Compile(desc protoreflect.MessageDescriptor, rules Rules) (*Plan, error) {
	c := compiler{rules: rules, done: map[protoreflect.FullName]*message{}}
	root, err := c.message(desc)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", desc.FullName(), err)
	}
	for _, name := range slices.Concat(rules.Null, rules.Required) {
		if message, ok := c.done[name.Parent()]; !ok || !slices.ContainsFunc(message.fields, func(f field) bool {
			return f.name == string(name.Name())
		}) {
			return nil, fmt.Errorf("compile %s: the rules name the unknown field %s", desc.FullName(), name)
		}
	}
	return &Plan{root: root}, nil
}

type compiler struct {
	rules Rules
	done  map[protoreflect.FullName]*message
}

func (c *compiler) message(desc protoreflect.MessageDescriptor) (*message, error) {
	if m, ok := c.done[desc.FullName()]; ok {
		return m, nil
	}
	behind, reserved := c.rules.Reserved[desc.FullName()]
	m := &message{reserved: reserved, words: blockHead}
	c.done[desc.FullName()] = m

	descs := make([]protoreflect.FieldDescriptor, 0, desc.Fields().Len())
	for i := range desc.Fields().Len() {
		descs = append(descs, desc.Fields().Get(i))
	}
	slices.SortFunc(descs, func(a, b protoreflect.FieldDescriptor) int {
		return int(a.Number() - b.Number())
	})
	if len(descs) > maxFields {
		return nil, fmt.Errorf("%s: more than %d fields", desc.FullName(), maxFields)
	}
	for i, fd := range descs {
		f, err := c.field(fd)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fd.FullName(), err)
		}
		if f.kind == mapKind && i != len(descs)-1 {
			return nil, fmt.Errorf("%s: a map must have the highest field number", fd.FullName())
		}
		f.index, f.bit = uint8(i), 1<<i
		f.behind = -f.bit
		if f.kind == mapKind {
			f.behind = noted
		}
		if f.list {
			f.lists = f.bit
		}
		m.words = f.slots.lay(&f, m.words)
		if reserved && f.name == string(behind) {
			m.early = f.bit
		}
		m.fields = append(m.fields, f)
		switch f.absent {
		case omitted:
		case zero, null:
			m.filled |= 1 << i
		case required, nonEmpty:
			m.demanded |= 1 << i
		}
	}
	m.numbers = len(m.fields) > 0 && len(m.fields) <= maxNumbers
	for i := range m.fields {
		f := &m.fields[i]
		if f.kind == mapKind {
			m.open = f
		}
		tag := protowire.EncodeTag(descs[i].Number(), f.kind.wireType())
		m.byTag[tag] = f
		f.tagBytes = len(protowire.AppendVarint(f.tag[:0], tag))
		m.numbers = m.numbers && f.kind == int32Kind && f.absent == zero && f.tagBytes == 1
	}
	return m, nil
}

func (c *compiler) field(fd protoreflect.FieldDescriptor) (field, error) {
	name := string(fd.Name())
	f := field{name: name, list: fd.IsList()}
	key := `{"` + name + `":`
	f.keyBytes = copy(f.key[:], key)
	if fd.Number() > maxNumber {
		return f, fmt.Errorf("field number %d is above %d", fd.Number(), maxNumber)
	}
	if f.keyBytes < len(key) {
		return f, fmt.Errorf("name is longer than %d bytes", maxKeyBytes-len(`{"":`))
	}
	if fd.IsMap() {
		value := fd.MapValue().Message()
		if fd.MapKey().Kind() != protoreflect.StringKind || value == nil || value.FullName() != valueName {
			return f, fmt.Errorf("only map<string, %s> is supported", valueName)
		}
		f.kind = mapKind
		return f, nil
	}
	switch {
	case fd.Kind() == protoreflect.StringKind:
		f.kind, f.absent = stringKind, nonEmpty
	case fd.Kind() == protoreflect.Int32Kind && !f.list:
		f.kind, f.absent = int32Kind, zero
	case fd.Kind() == protoreflect.BoolKind && !f.list:
		f.kind, f.absent = boolKind, zero
	case fd.Kind() == protoreflect.MessageKind:
		f.kind = messageKind
		child, err := c.message(fd.Message())
		if err != nil {
			return f, err
		}
		f.child = child
	default:
		return f, fmt.Errorf("%s %s is not supported", fd.Cardinality(), fd.Kind())
	}
	if f.list || fd.HasPresence() {
		f.absent = omitted
	}
	switch {
	case slices.Contains(c.rules.Null, fd.FullName()):
		f.absent = null
	case slices.Contains(c.rules.Required, fd.FullName()):
		f.absent = required
	}
	return f, nil
}

// lookup returns the field of a tag, or nil if there is none of that number and wire type.
func (m *message) lookup(tag uint64) *field {
	if tag >= maxTag {
		return nil
	}
	return m.byTag[tag]
}

// hasTagAt reports whether the field's tag is at b[i:].
func (f *field) hasTagAt(b []byte, i int) bool {
	return i < len(b) && b[i] == f.tag[0] && (f.tagBytes == 1 || i+1 < len(b) && b[i+1] == f.tag[1])
}

// wireType returns the wire type of a kind. All values start with a varint: the value or its
// length.
func (k kind) wireType() protowire.Type {
	if k == int32Kind || k == boolKind {
		return protowire.VarintType
	}
	return protowire.BytesType
}

// varint reads the varint at b[i:] and returns the index after it, or -1 if there is none. The
// walks read varints of one byte themselves; most others have two.
func varint(b []byte, i int) (uint64, int) {
	if i+1 < len(b) && b[i] >= 0x80 && b[i+1] < 0x80 {
		return uint64(b[i]&0x7f) | uint64(b[i+1])<<7, i + 2
	}
	v, n := protowire.ConsumeVarint(b[i:])
	if n < 0 {
		return 0, -1
	}
	return v, i + n
}

// bytesAt reads a length at b[i:] and returns the bytes after it and the index after those, or
// -1 if b is too short.
func bytesAt(b []byte, i int) ([]byte, int) {
	n, i := varint(b, i)
	if i < 0 || n > uint64(len(b)-i) {
		return nil, -1
	}
	end := i + int(n)
	return b[i:end], end
}

// skip returns the index after the value of an unknown tag, or -1 if it is malformed.
func skip(b []byte, i int, tag uint64) int {
	number := tag >> 3
	if number == 0 || number > uint64(protowire.MaxValidNumber) {
		return -1
	}

	n := protowire.ConsumeFieldValue(protowire.Number(number), protowire.Type(tag&7), b[i:])
	if n < 0 {
		return -1
	}
	return i + n
}

// skipKnown returns the index after the value of a known tag in checked wire bytes.
func skipKnown(b []byte, i int, tag uint64) int {
	v := uint64(b[i])
	if i++; v >= 0x80 {
		v, i = varint(b, i-1)
	}
	return i + int(v&-(tag>>1&1)) // a length if the wire type is 2, and not 0
}
