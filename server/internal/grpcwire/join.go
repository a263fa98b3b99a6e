package grpcwire

// maxFrameBytes is the length of the longest frame that gRPC reads.
const maxFrameBytes = 16 << 10

// joiner joins consecutive frames of data of a stream. Many clients send a frame for each
// message, and reading a frame costs gRPC more than reading a small message from one. Where a
// frame ends means nothing (RFC 9113, section 6.1).
type joiner struct{ in scanner }

// newJoiner returns the joiner of a connection, which starts with the preface.
func newJoiner() joiner { return joiner{in: scanner{left: len(preface)}} }

// join joins the frames in p, in place. A frame that is not complete is left as it is, so
// nothing waits for it.
func (j *joiner) join(p []byte) []byte {
	joined := p[:0]
	var last header  // of the frame before, if another one can join it
	var start []byte // that header in joined; nil if none can
	for len(p) > 0 {
		if j.in.left == 0 {
			cut := j.in.filled > 0
			h, rest, complete := j.in.header(p)
			if start != nil && complete && h.length <= len(rest) && h.joins(last) {
				last.length, last.flags = last.length+h.length, h.flags
				start[0], start[1], start[2] = byte(last.length>>16), byte(last.length>>8), byte(last.length)
				start[4] = last.flags
			} else {
				from := len(joined)
				joined = appendWithin(joined, p[:len(p)-len(rest)])
				if last, start = h, nil; complete && !cut {
					start = joined[from:]
				}
			}
			p = rest
		}
		var payload []byte
		payload, p = j.in.payload(p)
		joined = appendWithin(joined, payload)
	}
	return joined
}

// appendWithin appends part, which is in the same array, to b. Most often it is there already.
func appendWithin(b, part []byte) []byte {
	end := len(b)
	b = b[:end+len(part)]
	if len(part) > 0 && &b[end] != &part[0] {
		copy(b[end:], part)
	}
	return b
}

// joins reports whether a frame can join the one before it.
func (h header) joins(before header) bool {
	return h.kind == typeData && before.kind == typeData && h.stream == before.stream &&
		before.flags == 0 && h.flags&^flagEndStream == 0 && before.length+h.length <= maxFrameBytes
}
