package grpcwire_test

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"
)

// model is a connection that forgets nothing of a stream before its end.
type model struct {
	open        map[uint32]*modelStream
	next        uint32 // stream to be opened
	updateBytes int
}

type modelStream struct {
	carried []byte
	frames  []modelFrame
	steps   []modelStep
	ended   bool // by the client
}

// modelStep is a frame of data, or else an increment of the window.
type modelStep struct{ length, carries, increment int }

// beyond reads a stream from its start, and returns what its backlog draws more
// than the incomplete message does.
func (s *modelStream) beyond(updateBytes int) int {
	var memory, bytes, padding int
	for _, step := range s.steps {
		if step.increment > 0 {
			read := max(0, step.increment-padding)
			padding = max(0, padding-step.increment)
			if read >= bytes {
				memory = 0
			} else {
				memory = int(float64(memory) * (float64(bytes-read) / float64(bytes)))
			}
			bytes -= read
			continue
		}
		padding += step.length - step.carries
		bytes += step.carries
		if step.carries > 0 && step.length <= 1024 && bytes > 0 {
			memory += step.length + frameBytes
		}
	}
	read := updateBytes
	if bytes > 0 {
		read = max(read, int(float64(memory)*(float64(updateBytes)/float64(bytes))))
	}
	held, _, _ := s.held()
	return max(0, memory-min(read, 2*updateBytes)-held)
}

type modelFrame struct{ end, length int } // where in carried, and of the payload

// held reads a stream from its start, and returns what the small frames hold in
// which the message came that is not complete, how many these are, and what came.
func (s *modelStream) held() (smallBytes, smallFrames, messageBytes int) {
	if s.ended {
		return 0, 0, 0
	}
	begin := 0
	for begin+5 <= len(s.carried) {
		end := begin + 5 + int(binary.BigEndian.Uint32(s.carried[begin+1:]))
		if end > len(s.carried) {
			break
		}
		begin = end
	}
	from := 0
	for _, f := range s.frames {
		if f.end > begin && f.end > from {
			messageBytes += f.end - from
			if f.length <= 1024 {
				smallFrames++
				smallBytes += f.length + frameBytes
			}
		}
		from = f.end
	}
	return smallBytes, smallFrames, messageBytes
}

// step draws a frame that the client or the server sends, and has it sent.
func (m *model) step(t *rapid.T, o *observed) error {
	if m.next == 1 || rapid.IntRange(0, 9).Draw(t, "opens") == 0 {
		id, ends := m.next, rapid.IntRange(0, 3).Draw(t, "ends") == 0
		m.next += 2
		m.open[id] = &modelStream{ended: ends}
		return o.tryReceive(t, headers(t, id, ends))
	}
	id := uint32(2*rapid.IntRange(0, int(m.next)/2-1).Draw(t, "stream") + 1)
	switch rapid.IntRange(0, 15).Draw(t, "kind") {
	case 0:
		delete(m.open, id)
		return o.tryReceive(t, reset(t, id))
	case 1:
		ends := rapid.Bool().Draw(t, "ends")
		if ends {
			delete(m.open, id)
		}
		o.send(t, headers(t, id, ends), data(t, id, false, make([]byte, 20)))
		return nil
	case 2:
		return o.tryReceive(t, frame(t, func(f *http2.Framer) error { return f.WriteRawFrame(99, 0xff, id, make([]byte, 50)) }))
	case 3, 4:
		increment := rapid.IntRange(1, 4000).Draw(t, "increment")
		if s := m.open[id]; s != nil {
			s.steps = append(s.steps, modelStep{increment: increment})
		}
		update := widen(t, id, increment)
		cut := rapid.IntRange(0, len(update)).Draw(t, "cut")
		o.send(t, update[:cut], update[cut:])
		return nil
	default:
		return m.stepData(t, o, id)
	}
}

func (m *model) stepData(t *rapid.T, o *observed, id uint32) error {
	carries := drawCarried(t)
	padding := rapid.IntRange(-1, 20).Draw(t, "padding")
	ends := rapid.IntRange(0, 20).Draw(t, "ends") == 0
	if s := m.open[id]; s != nil && !s.ended {
		s.carried = append(s.carried, carries...)
		s.frames = append(s.frames, modelFrame{end: len(s.carried), length: len(carries) + padding + 1})
		s.steps = append(s.steps, modelStep{length: len(carries) + padding + 1, carries: len(carries)})
		s.ended = ends
	}
	if padding < 0 {
		return o.tryReceive(t, data(t, id, ends, carries))
	}
	return o.tryReceive(t, frame(t, func(f *http2.Framer) error {
		return f.WriteDataPadded(id, ends, carries, make([]byte, padding))
	}))
}

// drawCarried returns zeros and small numbers, so that lengths of messages are of
// the order of those of frames wherever a message begins.
func drawCarried(t *rapid.T) []byte {
	b := make([]byte, rapid.OneOf(rapid.IntRange(0, 12), rapid.IntRange(1000, 1050), rapid.IntRange(0, 5000)).Draw(t, "length"))
	for range rapid.IntRange(0, 8).Draw(t, "lengths") {
		if len(b) > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "where")] = rapid.Byte().Draw(t, "byte") % 8
		}
	}
	return b
}

// TestAgainstModel sends random frames, cut at random, and compares what is drawn
// after each, and what is refused, with the model.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := limits
		limits.SmallFrames, limits.UpdateBytes = rapid.IntRange(1, 40).Draw(t, "limit"), rapid.IntRange(0, 2000).Draw(t, "update")
		o := greeted(t, limits)
		piece := rapid.OneOf(rapid.IntRange(1, 20), rapid.Just(1<<20)).Draw(t, "piece")
		o.script.pieces = func(int) int { return piece }
		m := &model{open: map[uint32]*modelStream{}, next: 1, updateBytes: limits.UpdateBytes}
		before := 0 // small frames
		for range rapid.IntRange(1, 80).Draw(t, "frames") {
			err := m.step(t, o)
			held, small, came := 0, 0, 0
			for _, s := range m.open {
				smallBytes, smallFrames, messageBytes := s.held()
				held, small, came = held+openBytes+smallBytes+s.beyond(m.updateBytes), small+smallFrames, came+messageBytes
			}
			// The end of a stream takes bytes from the others, whose frames may then be
			// too many until another one comes.
			tooMany, more := small > limits.SmallFrames+came/256, small > before
			before = small
			if refused := err != nil; refused && !tooMany || !refused && tooMany && more {
				t.Fatalf("%d small frames of %d bytes, with a limit of %d: %v, want an error above it alone", small, came, limits.SmallFrames, err)
			}
			if err != nil {
				break
			}
			if table := o.purse.drawnBytes() - held; table < len(m.open)*streamBytes || table > int(m.next/2)*streamBytes {
				t.Fatalf("%d bytes are drawn beside the %d that are held, with %d streams open, want at least %v and at most %v", table, held, len(m.open), len(m.open)*streamBytes, int(m.next/2)*streamBytes)
			}
		}
		o.end(t)
	})
}
