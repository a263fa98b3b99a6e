package transcode

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Plan is what [Compile] made of a message descriptor. It is immutable and safe
// for concurrent use.
type Plan struct {
	root *message
}

// Rules say what a descriptor can't: which fields depart from the treatment
// that follows from their declaration. Fields are named in full, as
// `symdb.v1.Symbol.type`.
type Rules struct {
	// Null lists `optional` fields that are written as null where absent.
	Null []protoreflect.FullName
	// Required lists `optional` fields that must be set, though they may be
	// empty.
	Required []protoreflect.FullName
}

// absence says what becomes of a field that is not on the wire.
type absence uint8

const (
	leftOut  absence = iota // no key: `optional`, repeated and message fields
	zero                    // `0` or `false`: plain numbers and booleans
	null                    // `null`: Rules.Null
	required                // refused: Rules.Required
	nonEmpty                // refused, and so is an empty one: plain strings
)

// kind says how a field's value is read and written.
type kind uint8

const (
	stringKind kind = iota
	int32Kind
	boolKind
	messageKind
	mapKind // map<string, google.protobuf.Value>, written into the object around it
)

// field is one field of a message.
type field struct {
	kind   kind
	list   bool
	absent absence
	bit    uint64 // 1 << its index in message.fields, for sets of fields
	// tag is the tag as it travels.
	tag      [2]byte
	tagBytes int
	// key is `{"name":`. It is copied at its full length, and then cut.
	key      [maxKeyBytes]byte
	keyBytes int
	child    *message
	name     string
}

// message is the table of one message's fields.
type message struct {
	fields   []field        // ascending by field number
	byTag    [maxTag]*field // nil: none of that number and wire type
	numbers  bool           // all fields are plain numbers: see numbers.go
	filled   uint64         // fields that are written also when they are absent
	demanded uint64         // fields that must not be absent
}

const (
	// maxNumber bounds field numbers, so that finding a field is one load.
	maxNumber = 127
	maxTag    = (maxNumber + 1) << 3
	// maxFields is how many bits a set of fields has.
	maxFields = 64
	// maxKeyBytes bounds a rendered key.
	maxKeyBytes = 32
)

// Compile makes a plan for the message that desc describes and all messages
// below it. It fails on a declaration that the transcoder has no treatment for,
// naming the field.
//
// Supported are string, int32, bool and message fields; lists of strings and
// messages; and one map<string, google.protobuf.Value> a message, whose entries
// become keys beside the fields. Numbers go up to 127, the map has the highest.
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
			return nil, fmt.Errorf("compile %s: the rules name %s, which is no field of it", desc.FullName(), name)
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
	m := &message{}
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
		f.bit = 1 << i
		m.fields = append(m.fields, f)
		switch f.absent {
		case leftOut:
		case zero, null:
			m.filled |= 1 << i
		case required, nonEmpty:
			m.demanded |= 1 << i
		}
	}
	m.numbers = len(m.fields) > 0 && len(m.fields) <= maxNumbers
	for i := range m.fields {
		f := &m.fields[i]
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
		f.absent = leftOut
	}
	switch {
	case slices.Contains(c.rules.Null, fd.FullName()):
		f.absent = null
	case slices.Contains(c.rules.Required, fd.FullName()):
		f.absent = required
	}
	return f, nil
}

// lookup returns the field that a tag stands for, or nil where the message has
// none of that number and wire type, so that the tag's value is to be skipped.
func (m *message) lookup(tag uint64) *field {
	if tag >= maxTag {
		return nil
	}
	return m.byTag[tag]
}

// at tells whether the field's tag, as encoders write it, lies at b[i:].
func (f *field) at(b []byte, i int) bool {
	return i < len(b) && b[i] == f.tag[0] && (f.tagBytes == 1 || i+1 < len(b) && b[i+1] == f.tag[1])
}

// wireType returns how the values of a kind travel. All of them begin with a
// varint: the value itself, or the length of what follows.
func (k kind) wireType() protowire.Type {
	if k == int32Kind || k == boolKind {
		return protowire.VarintType
	}
	return protowire.BytesType
}
