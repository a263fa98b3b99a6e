package grpcwire

import "encoding/binary"

// prefixBytes is what stands in front of a gRPC message: a flag, and the message's
// length in four bytes.
const prefixBytes = 5

// stream is where a stream stands in its messages.
type stream struct {
	// missing is what is still to come of a message.
	missing uint32
	// length and filled are of a prefix that is not complete.
	length uint32
	filled uint8
	held   held
	// backlog is what is not read, and beyond what that draws more than held does.
	backlog    backlog
	beyond     int
	fieldBytes int // of its request
	// ended tells that the client has sent all. The stream stays until the server has
	// ended it too.
	ended bool
}

// held is what has come of messages that are not complete, by whole frames.
type held struct {
	// smallFrames is how many of the frames are small, and smallBytes what those
	// take in memory.
	smallFrames int
	smallBytes  int
	// messageBytes is what came in frames of any size.
	messageBytes int64
}

func (h held) plus(other held) held {
	h.smallFrames += other.smallFrames
	h.smallBytes += other.smallBytes
	h.messageBytes += other.messageBytes
	return h
}

func (h held) minus(other held) held {
	h.smallFrames -= other.smallFrames
	h.smallBytes -= other.smallBytes
	h.messageBytes -= other.messageBytes
	return h
}

// complete tells that the stream stands between two messages.
func (s *stream) complete() bool { return s.missing == 0 && s.filled == 0 }

// take goes on by what the stream carries, and returns whether a message begins
// in it.
func (s *stream) take(p []byte) (begins bool) {
	for len(p) > 0 {
		switch {
		case s.missing > 0:
			n := min(int64(s.missing), int64(len(p)))
			s.missing -= uint32(n)
			p = p[n:]
		case s.filled == 0 && len(p) >= prefixBytes:
			begins = true
			s.missing = binary.BigEndian.Uint32(p[1:])
			p = p[prefixBytes:]
		default:
			begins = begins || s.filled == 0
			s.length = s.length<<8 | uint32(p[0]) // the flag goes out at the top
			p = p[1:]
			if s.filled++; s.filled == prefixBytes {
				s.missing, s.length, s.filled = s.length, 0, 0
			}
		}
	}
	return begins
}
