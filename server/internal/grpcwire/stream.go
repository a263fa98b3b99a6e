package grpcwire

import "encoding/binary"

// prefixBytes is the length of a gRPC message's prefix: a flag, and the message's length in
// four bytes.
const prefixBytes = 5

// stream is the state of a stream.
type stream struct {
	missing uint32 // bytes of the current message
	length  uint32 // of an incomplete prefix
	filled  uint8  // bytes of it
	held    held
	backlog backlog
	// beyond is what is drawn for the backlog beyond held.
	beyond     int
	fieldBytes int // of its request
	// ended means that the client has ended it, but not yet the server.
	ended bool
}

// held counts the frames of incomplete messages.
type held struct {
	smallFrames  int
	smallBytes   int   // memory of small frames
	messageBytes int64 // in frames of any size
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

// complete reports whether the stream is between two messages.
func (s *stream) complete() bool { return s.missing == 0 && s.filled == 0 }

// receive processes data, and reports whether a message begins in it.
func (s *stream) receive(p []byte) (begins bool) {
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
			s.length = s.length<<8 | uint32(p[0]) // the flag is shifted out
			p = p[1:]
			if s.filled++; s.filled == prefixBytes {
				s.missing, s.length, s.filled = s.length, 0, 0
			}
		}
	}
	return begins
}

const (
	// gRPC merges unread frames into one pooled buffer when there are mergedFrames that are
	// shorter than mergedBytes on average.
	mergedBytes  = 56
	mergedFrames = 1024
)

// backlog estimates the unread data of a stream, complete messages included. The server
// widens the stream's window (RFC 9113, section 6.9) by what it has read, but only in steps
// of Limits.UpdateBytes.
//
// The error of the estimate, for a stream, is at most:
//   - 2 * UpdateBytes too little, because so much may have been read already, and nothing
//     should be drawn for an idle stream;
//   - a quarter of the window either way, if small and large frames alternate: an increment
//     reduces both by the same share;
//   - mergedFrames, and one more for each mergedBytes, too much, if gRPC has merged them.
type backlog struct {
	// bytes is the data without padding. It is negative while a message longer than the
	// window arrives: gRPC widens the window by all of it when it starts to read it, and
	// reads the rest at once.
	bytes int64
	// padding is read as it comes. The next increments are for it.
	padding int64
	// frames counts the small frames; memory is what they take.
	frames, memory int
}

// add adds a frame of data.
func (b *backlog) add(length, carries int) {
	b.padding += int64(length - carries)
	b.bytes += int64(carries)
	if carries == 0 || length > smallBytes || b.bytes <= 0 || int64(b.frames-mergedFrames)*mergedBytes > b.bytes {
		return
	}
	b.frames++
	b.memory += length + frameBytes
}

// widen processes an increment of the window.
func (b *backlog) widen(increment int64) {
	padding := min(increment, b.padding)
	b.padding -= padding
	before := b.bytes
	b.bytes -= increment - padding
	if b.bytes <= 0 {
		b.frames, b.memory = 0, 0
		return
	}
	// Integers would overflow with the widest windows.
	left := float64(b.bytes) / float64(before)
	b.frames, b.memory = int(float64(b.frames)*left), int(float64(b.memory)*left)
}

// draws returns what to draw for the small frames: their memory minus the share that may
// have been read.
func (b *backlog) draws(updateBytes int) int {
	if b.memory <= updateBytes {
		return 0
	}
	read := 2 * updateBytes
	if b.bytes > int64(updateBytes) {
		share := int(float64(b.memory) * (float64(updateBytes) / float64(b.bytes)))
		read = min(max(share, updateBytes), read)
	}
	return max(0, b.memory-read)
}
