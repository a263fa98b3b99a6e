package grpcwire

import (
	"fmt"
	"time"
)

// SmallFramesError is why a connection was ended: too many small frames of
// messages that are not complete.
type SmallFramesError struct {
	// Frames is how many there were, in all streams of the connection.
	Frames int
	// MessageBytes is what had come of those messages, their prefixes included.
	MessageBytes int64
}

func (e *SmallFramesError) Error() string {
	return fmt.Sprintf("%d bytes of incomplete messages came in %d small frames", e.MessageBytes, e.Frames)
}

// StreamsError is why a connection was ended: far more streams than the client may
// have open.
type StreamsError struct {
	// Streams is how many were opened and not yet ended.
	Streams int
}

func (e *StreamsError) Error() string {
	return fmt.Sprintf("%d streams are open", e.Streams)
}

// OrderError is why a connection was ended: streams were opened out of order, or used
// before they were opened, which is a connection error (RFC 9113, section 5.1). Behind
// that nobody could tell which stream an answer ends.
type OrderError struct {
	Stream uint32
}

func (e *OrderError) Error() string {
	return fmt.Sprintf("a frame of stream %d came out of order", e.Stream)
}

// StuckError is why a connection was ended: the client took no answers.
type StuckError struct {
	// Patience is for how long it did not, or else Asked how many streams it opened
	// meanwhile.
	Patience time.Duration
	Asked    int
}

func (e *StuckError) Error() string {
	if e.Asked > 0 {
		return fmt.Sprintf("%d streams were opened while answers could not be sent", e.Asked)
	}
	return fmt.Sprintf("answers could not be sent for %v", e.Patience)
}
