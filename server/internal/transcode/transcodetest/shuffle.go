package transcodetest

import (
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Shuffle writes the message with the descriptor desc in other bytes that mean
// the same: its fields in another order (those of one number keep theirs),
// unknown fields among them, scalars set to something else before their value,
// varints longer than they must be; and so in all messages below.
func Shuffle(rng *rand.Rand, desc protoreflect.MessageDescriptor, wire []byte) []byte {
	byNumber := make(map[protowire.Number][][]byte)
	var order []protowire.Number
	for len(wire) > 0 {
		number, wireType, n := protowire.ConsumeField(wire)
		if n < 0 {
			panic(protowire.ParseError(n))
		}
		byNumber[number] = append(byNumber[number], shuffleField(rng, desc.Fields().ByNumber(number), wireType, wire[:n]))
		order = append(order, number)
		wire = wire[n:]
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var out []byte
	for _, number := range order {
		if rng.IntN(4) == 0 {
			out = appendUnknown(rng, out)
		}
		out = append(out, byNumber[number][0]...)
		byNumber[number] = byNumber[number][1:]
	}
	if rng.IntN(4) == 0 {
		out = appendUnknown(rng, out)
	}
	return out
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
