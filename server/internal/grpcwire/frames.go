package grpcwire

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"
)

// Parts of frames (RFC 9113, sections 4.1 and 6).
const (
	headerBytes    = 9
	incrementBytes = 4
	settingBytes   = 6
	priorityBytes  = 5

	typeData         = 0x0
	typeHeaders      = 0x1
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

// header is the header of a frame.
type header struct {
	length int // of the payload
	kind   byte
	flags  byte
	stream uint32
}

func (h header) has(flag byte) bool { return h.flags&flag != 0 }

// scanner finds the frames in a stream of bytes that comes in pieces. The zero value is at
// the start of a frame.
type scanner struct {
	start  [headerBytes]byte // of an incomplete header
	filled int               // bytes of start
	left   int               // bytes of the payload
}

// header reads the rest of a header from p. It returns the rest of p, and whether the header
// is complete.
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

// payload splits p after the rest of the payload.
func (s *scanner) payload(p []byte) (payload, rest []byte) {
	n := min(s.left, len(p))
	s.left -= n
	return p[:n], p[n:]
}

const (
	// fieldBytes is gRPC's memory of a header field besides its text.
	fieldBytes = 112
	// tableBytes is gRPC's limit of the dynamic table (RFC 7541, section 4.2).
	tableBytes = 4096
)

// fields measures the header fields of requests as gRPC decodes them.
type fields struct {
	decoder   *hpack.Decoder
	stream    uint32 // of the current fields; 0 if there are none
	listBytes int    // as limited by HeaderListBytes
	held      int    // memory
	broken    bool   // no more can be decoded
}

// begin starts the fields of a stream.
func (f *fields) begin(stream uint32, limitBytes int) {
	f.stream, f.listBytes, f.held = stream, 0, 0
	if f.decoder == nil {
		f.decoder = hpack.NewDecoder(tableBytes, nil)
		f.decoder.SetMaxStringLength(limitBytes)
	}
	f.decoder.SetEmitEnabled(true)
	f.decoder.SetEmitFunc(func(field hpack.HeaderField) {
		if f.listBytes += int(field.Size()); f.listBytes > limitBytes {
			f.decoder.SetEmitEnabled(false) // gRPC drops the rest
			return
		}
		f.held += fieldBytes + len(field.Name) + len(field.Value)
	})
}

// receive processes part of the fields.
func (f *fields) receive(p []byte) {
	if f.stream == 0 || f.broken {
		return
	}
	_, err := f.decoder.Write(p)
	f.broken = err != nil // gRPC ends the connection
}

// end ends the fields. It returns their stream and memory.
func (f *fields) end() (stream uint32, held int) {
	stream, held = f.stream, f.held
	if f.stream, f.held = 0, 0; stream != 0 && f.decoder.Close() != nil {
		f.broken = true
	}
	return stream, held
}
