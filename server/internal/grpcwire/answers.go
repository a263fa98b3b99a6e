package grpcwire

import (
	"encoding/binary"
	"math"
	"time"
)

const (
	// firstWindow is what windows are before anybody has said anything of them (RFC
	// 9113, section 6.9.2).
	firstWindow = 1<<16 - 1
	// leastWindow is what a client must leave for answers: an upload's takes less than
	// 100 bytes, and so small a window no client has, except C-core when its process
	// is out of memory, which goes down to this.
	leastWindow = 128
	// maxAsked is how many streams a client may open while it leaves no room for answers.
	maxAsked = 64
	// queuedBytes is what an answer takes in gRPC's queue, at least.
	queuedBytes = 128
	// maxQueuedBytes bounds what the queue grows by while a write does not return.
	maxQueuedBytes = 64 << 10
	// writeBytes is gRPC's buffer for what it writes at a time.
	writeBytes = 32 << 10
	// echoFactor is how much longer than a request's fields an answer can be that
	// quotes one of them.
	echoFactor = 4
)

// answers is what is known of the answers on their way to the client.
type answers struct {
	// connection is the window of the connection, and initial that of streams that are
	// to be opened.
	connection, initial int64
	entry               entry
	asked               int // streams that were opened while the windows leave too little
	// writing tells that the server writes, and queued is what its queue has grown by
	// since that began.
	writing bool
	queued  int
	timer   *time.Timer // not nil: the windows leave too little
}

// entry is an entry of a SETTINGS frame, or an increment, that may come in pieces.
type entry struct {
	b      [settingBytes]byte
	filled int
}

// fill takes the rest of an entry of that length from the front of p. It returns what
// is behind it, and whether the entry is complete.
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

// narrow tells whether the windows leave too little for answers.
func (a *answers) narrow() bool { return min(a.connection, a.initial) < leastWindow }

// ask goes on by a stream that is opened, and tells whether there are too many that can't
// be answered.
func (a *answers) ask() bool {
	if !a.narrow() {
		a.asked = 0
		return false
	}
	a.asked++
	return a.asked > maxAsked
}

// set goes on by what comes of a SETTINGS frame.
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

// widen goes on by what comes of an increment of the connection's window.
func (a *answers) widen(p []byte) {
	if _, complete := a.entry.fill(p, incrementBytes); complete {
		a.connection += a.entry.increment()
	}
}

// queue goes on by a frame that the client sends, most of which have gRPC answer.
func (a *answers) queue(h header, headerListBytes int) {
	if !a.writing {
		return
	}
	switch h.kind {
	case typeData:
	case typeHeaders:
		a.queued += queuedBytes + echoFactor*headerListBytes
	case typeSettings:
		a.queued += queuedBytes + 4*h.length // a slice that has grown to it
	default:
		a.queued += queuedBytes
	}
}

// bytes returns what is held for answers.
func (a *answers) bytes() int {
	if !a.writing {
		return 0
	}
	return writeBytes + a.queued
}

// full tells whether no more is to be read before the server has written.
func (a *answers) full() bool { return a.writing && a.queued >= maxQueuedBytes }
