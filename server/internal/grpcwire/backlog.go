package grpcwire

const (
	// mergedBytes is how long frames are on average, at least, that gRPC leaves as
	// they are: once there are mergedFrames of shorter ones unread, it copies what
	// they carry into one buffer of its pool.
	mergedBytes  = 56
	mergedFrames = 1024
)

// backlog is what lies unread of a stream, complete messages too, as far as that
// can be seen: the server widens the stream's window (RFC 9113, section 6.9) by
// what it has read, but only when that has come to Limits.UpdateBytes.
//
// The estimate is wrong, for a stream, by at most:
//   - 2 * UpdateBytes too little, as so much may have been read already, and what a
//     stream sent that is idle since is not to be drawn;
//   - a quarter of the window either way, when small frames and others alternate: a
//     wider window takes the same share of both, whatever came first;
//   - what mergedFrames take, and one more for each mergedBytes, too much, when gRPC
//     has merged them.
type backlog struct {
	// bytes is what the frames carry, in flow control's count, without padding. It
	// is negative while a message comes that is longer than the window, which gRPC
	// widens by all of the message in advance, when it reads it: whatever comes of
	// that is read at once.
	bytes int64
	// padding is what gRPC takes as read as it comes. The next increments are for it.
	padding int64
	// frames is how many of the frames are small, and memory what those take.
	frames, memory int
}

// add goes on by a whole frame of data.
func (b *backlog) add(length, carries int) {
	b.padding += int64(length - carries)
	b.bytes += int64(carries)
	if carries == 0 || length > smallBytes || b.bytes <= 0 || int64(b.frames-mergedFrames)*mergedBytes > b.bytes {
		return
	}
	b.frames++
	b.memory += length + frameBytes
}

// widen goes on by an increment of the window.
func (b *backlog) widen(increment int64) {
	padding := min(increment, b.padding)
	b.padding -= padding
	before := b.bytes
	b.bytes -= increment - padding
	if b.bytes <= 0 {
		b.frames, b.memory = 0, 0
		return
	}
	// Not in integers, whose product overflows with the widest windows.
	left := float64(b.bytes) / float64(before)
	b.frames, b.memory = int(float64(b.frames)*left), int(float64(b.memory)*left)
}

// draws returns what to draw for the small frames: what they take without the share
// of it that may have been read.
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
