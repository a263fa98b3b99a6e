package transcodetest

import (
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Shuffle writes the message with the descriptor desc in other bytes that mean
// the same: its fields in another order (those of one number keep theirs),
// unknown fields among them, scalars set to something else before their value,
// varints longer than they must be; and so in all messages below.
func Shuffle(rng *rand.Rand, desc protoreflect.MessageDescriptor, wire []byte) []byte {
	fields := split(wire)
	for i, f := range fields {
		fields[i].wire = shuffleField(rng, desc.Fields().ByNumber(f.number), f.wireType, f.wire)
	}
	var out []byte
	for _, f := range inRandomOrder(rng, fields) {
		if rng.IntN(4) == 0 {
			out = appendUnknown(rng, out)
		}
		out = append(out, f.wire...)
	}
	if rng.IntN(4) == 0 {
		out = appendUnknown(rng, out)
	}
	return out
}

// Reorder writes the fields of a message in another order, and so in all messages below, as
// dynamic encoders do. If tear is set, the values of a list need not follow each other.
func Reorder(rng *rand.Rand, desc protoreflect.MessageDescriptor, wire []byte, tear bool) []byte {
	var fields []field
	for _, f := range split(wire) {
		if fd := desc.Fields().ByNumber(f.number); fd.Message() != nil && !fd.IsMap() {
			_, _, n := protowire.ConsumeTag(f.wire)
			inner, _ := protowire.ConsumeBytes(f.wire[n:])
			f.wire = protowire.AppendTag(nil, f.number, f.wireType)
			f.wire = protowire.AppendBytes(f.wire, Reorder(rng, fd.Message(), inner, tear))
		}
		if last := len(fields) - 1; last >= 0 && fields[last].number == f.number && !tear {
			fields[last].wire = append(fields[last].wire, f.wire...)
		} else {
			fields = append(fields, f)
		}
	}
	var out []byte
	for _, f := range inRandomOrder(rng, fields) {
		out = append(out, f.wire...)
	}
	return out
}

// field is a field, or several of one number.
type field struct {
	number   protowire.Number
	wireType protowire.Type
	wire     []byte
}

func split(wire []byte) []field {
	var fields []field
	for len(wire) > 0 {
		number, wireType, n := protowire.ConsumeField(wire)
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		fields = append(fields, field{number, wireType, wire[:n:n]})
		wire = wire[n:]
	}
	return fields
}

// inRandomOrder shuffles the fields. Those of one number keep their order.
func inRandomOrder(rng *rand.Rand, fields []field) []field {
	byNumber := make(map[protowire.Number][]field)
	for _, f := range fields {
		byNumber[f.number] = append(byNumber[f.number], f)
	}
	shuffled := slices.Clone(fields)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for i, f := range shuffled {
		shuffled[i] = byNumber[f.number][0]
		byNumber[f.number] = byNumber[f.number][1:]
	}
	return shuffled
}

func shuffleField(
	rng *rand.Rand, fd protoreflect.FieldDescriptor, wireType protowire.Type, wire []byte,
) []byte {
	number, _, n := protowire.ConsumeTag(wire)
	value := wire[n:]
	tag := protowire.EncodeTag(number, wireType)
	var out []byte
	switch {
	case wireType == protowire.VarintType:
		v, _ := protowire.ConsumeVarint(value)
		if rng.IntN(3) == 0 {
			out = appendLong(rng, out, tag)
			out = appendLong(rng, out, rng.Uint64())
		}
		out = appendLong(rng, out, tag)
		return appendLong(rng, out, v)
	case fd.Message() != nil:
		inner, _ := protowire.ConsumeBytes(value)
		inner = Shuffle(rng, fd.Message(), inner)
		out = appendLong(rng, out, tag)
		out = appendLong(rng, out, uint64(len(inner)))
		return append(out, inner...)
	case wireType == protowire.BytesType:
		inner, _ := protowire.ConsumeBytes(value)
		if rng.IntN(3) == 0 && !fd.IsList() {
			out = protowire.AppendTag(out, number, wireType)
			out = protowire.AppendString(out, "overwritten")
		}
		out = appendLong(rng, out, tag)
		out = appendLong(rng, out, uint64(len(inner)))
		return append(out, inner...)
	}
	return wire
}

// appendLong appends v as a varint of any length that protobuf allows.
func appendLong(rng *rand.Rand, out []byte, v uint64) []byte {
	out = protowire.AppendVarint(out, v)
	if rng.IntN(3) != 0 || protowire.SizeVarint(v) == 10 {
		return out
	}
	for range rng.IntN(10 - protowire.SizeVarint(v)) {
		out[len(out)-1] |= 0x80
		out = append(out, 0)
	}
	return out
}

// appendUnknown appends a field that no message of ours has.
func appendUnknown(rng *rand.Rand, out []byte) []byte {
	number := protowire.Number(101 + rng.IntN(200))
	switch rng.IntN(6) {
	case 0:
		out = protowire.AppendTag(out, number, protowire.VarintType)
		return protowire.AppendVarint(out, rng.Uint64())
	case 1:
		out = protowire.AppendTag(out, number, protowire.Fixed32Type)
		return protowire.AppendFixed32(out, rng.Uint32())
	case 2:
		out = protowire.AppendTag(out, number, protowire.Fixed64Type)
		return protowire.AppendFixed64(out, rng.Uint64())
	case 3:
		out = protowire.AppendTag(out, number, protowire.StartGroupType)
		out = protowire.AppendTag(out, 1, protowire.BytesType)
		out = protowire.AppendString(out, "in a group")
		return protowire.AppendTag(out, number, protowire.EndGroupType)
	case 4: // a number that all our messages but one know, with a wire type that none has
		out = protowire.AppendTag(out, 1, protowire.Fixed32Type)
		return protowire.AppendFixed32(out, rng.Uint32())
	default:
		out = protowire.AppendTag(out, number, protowire.BytesType)
		return protowire.AppendBytes(out, []byte{0xff, '"', 0})
	}
}
