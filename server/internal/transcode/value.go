package transcode

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The tags of google/protobuf/struct.proto, whose messages hold any JSON value. An entry of a
// map, also of that inside Struct, is a message of a key and a value.
const (
	valueName = protoreflect.FullName("google.protobuf.Value")

	valueNullTag   = 1<<3 | uint64(protowire.VarintType)
	valueNumberTag = 2<<3 | uint64(protowire.Fixed64Type)
	valueStringTag = 3<<3 | uint64(protowire.BytesType)
	valueBoolTag   = 4<<3 | uint64(protowire.VarintType)
	valueStructTag = 5<<3 | uint64(protowire.BytesType)
	valueListTag   = 6<<3 | uint64(protowire.BytesType)

	structEntryTag = 1<<3 | uint64(protowire.BytesType)
	listValueTag   = 1<<3 | uint64(protowire.BytesType)
	entryKeyTag    = 1<<3 | uint64(protowire.BytesType)
	entryValueTag  = 2<<3 | uint64(protowire.BytesType)
)

// maxEntries limits the keys of a map, because they are sorted.
const maxEntries = 1024

// entry is a key of a map and its google.protobuf.Value.
type entry struct {
	key, value []byte
}

// checkEntry checks an entry of a map.
func checkEntry(b []byte, depth int) *Error {
	var e entry
	found := false
	for i := 0; i < len(b); {
		var tag uint64
		if tag, i = varint(b, i); i < 0 {
			return &Error{Fault: Malformed}
		}
		switch tag {
		case entryKeyTag:
			if e.key, i = bytesAt(b, i); i >= 0 && !utf8.Valid(e.key) {
				return &Error{Fault: InvalidUTF8}
			}
		case entryValueTag:
			if found {
				return (&Error{Fault: Repeated}).under(e.step())
			}
			found = true
			e.value, i = bytesAt(b, i)
		default:
			i = skip(b, i, tag)
		}
		if i < 0 {
			return &Error{Fault: Malformed}
		}
	}
	if err := checkValue(e.value, depth); err != nil {
		return err.under(e.step())
	}
	return nil
}

// step returns the entry's step in a path.
func (e entry) step() string {
	const maxKey = 64
	return "[" + strconv.Quote(string(e.key[:min(len(e.key), maxKey)])) + "]"
}

// checkValue checks a google.protobuf.Value.
func checkValue(b []byte, depth int) *Error {
	var seen, last uint64
	for i := 0; i < len(b); {
		var tag uint64
		if tag, i = varint(b, i); i < 0 {
			return &Error{Fault: Malformed}
		}
		var fault *Error
		var inner []byte
		switch tag {
		case valueNullTag, valueBoolTag:
			_, i = varint(b, i)
		case valueNumberTag:
			if len(b)-i < 8 {
				return &Error{Fault: Malformed}
			}
			if f := numberAt(b, i); math.IsInf(f, 0) || math.IsNaN(f) {
				return &Error{Fault: NotANumber}
			}
			i += 8
		case valueStringTag:
			if inner, i = bytesAt(b, i); i >= 0 && !utf8.Valid(inner) {
				return &Error{Fault: InvalidUTF8}
			}
		case valueStructTag, valueListTag:
			if seen&(1<<tag) != 0 {
				return &Error{Fault: Repeated}
			}
			if inner, i = bytesAt(b, i); i >= 0 {
				fault = checkItems(inner, tag == valueStructTag, depth-1)
			}
		default:
			if i = skip(b, i, tag); i < 0 {
				return &Error{Fault: Malformed}
			}
			continue
		}
		if i < 0 {
			return &Error{Fault: Malformed}
		}
		if fault != nil {
			return fault
		}
		seen |= 1 << tag
		last = tag
	}
	if last == 0 {
		return &Error{Fault: Missing}
	}
	return nil
}

// checkItems checks a google.protobuf.Struct or ListValue.
func checkItems(b []byte, isStruct bool, depth int) *Error {
	if depth <= 0 {
		return &Error{Fault: TooDeep}
	}
	n := 0
	for i := 0; i < len(b); {
		var tag uint64
		if tag, i = varint(b, i); i < 0 {
			return &Error{Fault: Malformed}
		}
		if tag != structEntryTag { // equals listValueTag
			if i = skip(b, i, tag); i < 0 {
				return &Error{Fault: Malformed}
			}
			continue
		}
		var item []byte
		if item, i = bytesAt(b, i); i < 0 {
			return &Error{Fault: Malformed}
		}
		if isStruct {
			if n == maxEntries {
				return &Error{Fault: TooMany}
			}
			if err := checkEntry(item, depth); err != nil {
				return err
			}
		} else if err := checkValue(item, depth); err != nil {
			return err.under("[" + strconv.Itoa(n) + "]")
		}
		n++
	}
	return nil
}

// entries writes the entries of the map of message m as sorted keys of the open object. It
// omits keys of fields that are written, or of all fields if they are reserved. Sep precedes
// the first key; the separator of the next one is returned.
func (w *writer) entries(dst []byte, m *message, b []byte, written uint64, sep byte) ([]byte, byte) {
	s := w.borrow()
	base := len(s.entries)
	for i := range m.occurrences(m.open, b) {
		item, _ := bytesAt(b, i)
		s.entries = append(s.entries, readEntry(item))
	}
	sortEntries(s.entries[base:])
	taken := written
	if m.reserved {
		taken = math.MaxUint64
	}
	for i := base; i < len(s.entries); i++ {
		e := s.entries[i]
		if e.value != nil && !m.has(taken, e.key) {
			dst = w.entry(dst, e, sep)
			sep = ','
		}
	}
	s.entries = s.entries[:base]
	return dst, sep
}

// has reports whether key is the name of a field in the set.
func (m *message) has(set uint64, key []byte) bool {
	for i := range m.fields {
		if set&(1<<i) != 0 && m.fields[i].name == string(key) {
			return true
		}
	}
	return false
}

// structure writes a google.protobuf.Struct.
func (w *writer) structure(dst, b []byte) []byte {
	s := w.borrow()
	base := len(s.entries)
	for i := 0; i < len(b); {
		tag, at := varint(b, i)
		if tag == structEntryTag {
			var item []byte
			item, i = bytesAt(b, at)
			s.entries = append(s.entries, readEntry(item))
		} else {
			i = skip(b, at, tag)
		}
	}
	sortEntries(s.entries[base:])
	sep := byte('{')
	for i := base; i < len(s.entries); i++ {
		if e := s.entries[i]; e.value != nil {
			dst = w.entry(dst, e, sep)
			sep = ','
		}
	}
	s.entries = s.entries[:base]
	return closeObject(w.room(dst), sep)
}

func (w *writer) entry(dst []byte, e entry, sep byte) []byte {
	dst = append(w.room(dst), sep)
	dst = append(w.text(dst, e.key), ':')
	return w.json(w.room(dst), e.value)
}

// json writes a google.protobuf.Value, whose last field counts.
func (w *writer) json(dst, b []byte) []byte {
	var last uint64
	at := 0
	for i := 0; i < len(b); {
		tag, value := varint(b, i)
		switch tag {
		case valueNullTag, valueNumberTag, valueStringTag, valueBoolTag, valueStructTag, valueListTag:
			last, at = tag, value
		}
		i = skip(b, value, tag)
	}
	switch last {
	case valueNumberTag:
		dst = appendNumber(dst, numberAt(b, at))
		w.mark(len(dst))
		return dst
	case valueBoolTag:
		v, _ := varint(b, at)
		return appendBool(dst, v != 0)
	case valueStringTag:
		s, _ := bytesAt(b, at)
		return w.string(dst, s)
	case valueStructTag:
		inner, _ := bytesAt(b, at)
		return w.structure(dst, inner)
	case valueListTag:
		inner, _ := bytesAt(b, at)
		return w.values(dst, inner)
	}
	return append(dst, "null"...)
}

// values writes a google.protobuf.ListValue.
func (w *writer) values(dst, b []byte) []byte {
	dst = append(dst, '[')
	first := true
	for i := 0; i < len(b); {
		tag, at := varint(b, i)
		if tag != listValueTag {
			i = skip(b, at, tag)
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var item []byte
		item, i = bytesAt(b, at)
		dst = w.json(w.room(dst), item)
	}
	return append(w.room(dst), ']')
}

func readEntry(b []byte) entry {
	var e entry
	for i := 0; i < len(b); {
		tag, at := varint(b, i)
		switch tag {
		case entryKeyTag:
			e.key, i = bytesAt(b, at)
		case entryValueTag:
			e.value, i = bytesAt(b, at)
		default:
			i = skip(b, at, tag)
		}
	}
	return e
}

func numberAt(b []byte, i int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64(b[i:]))
}

// sortEntries sorts the entries of a map by key, because protobuf does not define their order on
// the wire. It clears the values of all but the last entry of a key.
func sortEntries(all []entry) {
	slices.SortStableFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for i := range len(all) - 1 {
		if bytes.Equal(all[i].key, all[i+1].key) {
			all[i].value = nil
		}
	}
}
