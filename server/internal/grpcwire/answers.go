package grpcwire

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	// initialWindow is the default window (RFC 9113, section 6.9.2).
	initialWindow = 1<<16 - 1
	// minWindow is the window that a client must leave for answers. An upload's answer has
	// less than 100 bytes. No client has a smaller window; C-core shrinks it to this when
	// its process is out of memory.
	minWindow = 128
	// maxAsked limits the streams that a client opens while it leaves no room for answers.
	maxAsked = 64
	// queuedBytes is the least memory of an answer in gRPC's queue.
	queuedBytes = 128
	// maxQueuedBytes limits the growth of the queue during one write.
	maxQueuedBytes = 64 << 10
	// echoFactor is how much longer than the header list an answer that quotes a field
	// can be.
	echoFactor = 4
)

// WriteBufferBytes is the size of gRPC's buffer of a connection's answers, which are short.
const WriteBufferBytes = 4 << 10

// answers tracks the answers on their way to the client.
type answers struct {
	connection, initial int64 // windows of the connection and of new streams
	entry               entry
	asked               int         // streams opened while the windows are too small
	writing             bool        // the server is in a write
	queued              int         // growth of its queue during the write
	timer               *time.Timer // set while the windows are too small
}

// entry is an entry of a SETTINGS frame, or an increment. It may come in pieces.
type entry struct {
	b      [settingBytes]byte
	filled int
}

// fill reads the rest of an entry of that length from p. It returns the rest of p, and
// whether the entry is complete.
func (e *entry) fill(p []byte, length int) (rest []byte, complete bool) {
	n := copy(e.b[e.filled:length], p)
	e.filled += n
	if e.filled < length {
		return nil, false
	}
	e.filled = 0
	return p[n:], true
}

// increment returns the entry as an increment of a window.
func (e *entry) increment() int64 { return int64(binary.BigEndian.Uint32(e.b[:]) &^ (1 << 31)) }

// narrow reports whether the windows are too small for answers.
func (a *answers) narrow() bool { return min(a.connection, a.initial) < minWindow }

// openStream counts a new stream, and reports whether too many can't be answered.
func (a *answers) openStream() bool {
	if !a.narrow() {
		a.asked = 0
		return false
	}
	a.asked++
	return a.asked > maxAsked
}

// set processes part of a SETTINGS frame.
func (a *answers) set(p []byte) {
	for complete := true; complete && len(p) > 0; {
		if p, complete = a.entry.fill(p, settingBytes); !complete {
			return
		}
		if binary.BigEndian.Uint16(a.entry.b[:]) == settingInitialWindow {
			a.initial = min(int64(binary.BigEndian.Uint32(a.entry.b[2:])), math.MaxInt32)
		}
	}
}

// widen processes part of an increment of the connection's window.
func (a *answers) widen(p []byte) {
	if _, complete := a.entry.fill(p, incrementBytes); complete {
		a.connection += a.entry.increment()
	}
}

// queue counts gRPC's answer to a frame.
func (a *answers) queue(h header, headerListBytes int) {
	if !a.writing {
		return
	}
	switch h.kind {
	case typeData:
	case typeHeaders:
		a.queued += queuedBytes + echoFactor*headerListBytes
	case typeSettings:
		a.queued += queuedBytes + 4*h.length // a slice grown by append
	default:
		a.queued += queuedBytes
	}
}

// bytes returns the memory of answers.
func (a *answers) bytes() int {
	if !a.writing {
		return 0
	}
	return WriteBufferBytes + a.queued
}

// full reports whether reads must wait for a write.
func (a *answers) full() bool { return a.writing && a.queued >= maxQueuedBytes }
