package frames

import "fmt"

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
