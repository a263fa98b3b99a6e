package grpcwire

import "encoding/binary"

// What is looked at of a frame (RFC 9113, sections 4.1 and 6).
const (
	headerBytes    = 9
	incrementBytes = 4
	settingBytes   = 6
	priorityBytes  = 5

	typeData         = 0x0
	typeHeaders      = 0x1
	typePriority     = 0x2
	typeRSTStream    = 0x3
	typeSettings     = 0x4
	typeWindowUpdate = 0x8
	typeContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingInitialWindow = 0x4
)

// header is a frame's header.
type header struct {
	length int // of the payload
	kind   byte
	flags  byte
	stream uint32
}

func (h header) has(flag byte) bool { return h.flags&flag != 0 }

// scanner finds the frames in a stream of bytes that is cut anywhere. Its zero
// value stands in front of a frame.
type scanner struct {
	start  [headerBytes]byte // of a header that is not complete
	filled int               // of start
	left   int               // of the payload
}

// header takes the rest of a header from the front of p. It returns what is behind
// it, and whether it is complete.
func (s *scanner) header(p []byte) (h header, rest []byte, complete bool) {
	b := p
	if s.filled > 0 || len(p) < headerBytes {
		n := copy(s.start[s.filled:], p)
		s.filled += n
		if s.filled < headerBytes {
			return header{}, nil, false
		}
		s.filled = 0
		b, rest = s.start[:], p[n:]
	} else {
		rest = p[headerBytes:]
	}
	s.left = int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	return header{
		length: s.left, kind: b[3], flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:headerBytes]) &^ (1 << 31),
	}, rest, true
}

// payload takes the rest of a payload from the front of p, and returns both parts.
func (s *scanner) payload(p []byte) (payload, rest []byte) {
	n := min(s.left, len(p))
	s.left -= n
	return p[:n], p[n:]
}
