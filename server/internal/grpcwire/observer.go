package grpcwire

import (
	"sync"

	"github.com/scopegate/scopegate/server/internal/connlimit"
)

// preface starts a client's connection (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	// smallBytes is the longest payload that gRPC does not take from its pool.
	smallBytes = 1 << 10
	// frameBytes is gRPC's memory of such a frame besides its payload: a slice, an
	// interface, and the allocator's rounding.
	frameBytes = 64
	// bytesPerFrame allows one more small frame per so many bytes of a message, so that
	// frames of that average length are never too many.
	bytesPerFrame = 256
	// streamBytes is the observer's memory of a stream.
	streamBytes = 128
	// endingStreams allows for streams that gRPC has ended but whose end is not yet
	// written.
	endingStreams = 4096
	// openedStreams limits the requests passed on at a time. gRPC processes them even after
	// the connection is closed, when nothing is drawn for its streams.
	openedStreams = 16
	// keptStreams is the largest table of streams to keep when it is empty.
	keptStreams = 64
)

// OpenBytes is drawn for a stream, besides its header fields, until its end is written: for
// gRPC's stream, its context, a goroutine and the answer.
const OpenBytes = 8 << 10

// observer follows both directions of a connection. It is safe for concurrent use.
type observer struct {
	limits Limits
	budget connlimit.Budget

	mu     sync.Mutex
	closed bool
	ended  error // why the connection must end

	// What the client sends:

	greeted int  // bytes of the preface
	foreign bool // not HTTP/2
	in      scanner
	frame   frame
	fields  fields

	// streams are open until the client resets them or the server has written their end:
	// at most limits.Streams and endingStreams.
	streams map[uint32]*stream
	newest  uint32
	// recent is the stream of the last frame of data, or nil.
	recent       *stream
	recentNumber uint32

	// What the server sends:

	out     scanner
	answers answers
	stuck   func()     // called when the client leaves no room for answers for too long
	written *sync.Cond // signals that a write has returned
	// widened is the stream of the increment being sent; 0 if there is none.
	widened   uint32
	increment entry

	// Memory:

	held       held
	beyond     int // of all streams
	fieldBytes int // of all streams
	keptBytes  int // read but not returned
	longest    int // frame without data, for which gRPC keeps a buffer
	// unweighed is a stream whose backlog has changed since weigh, while receive runs.
	unweighed *stream
	drawn     int // from the budget
	capacity  int // of the table of streams
}

// frame is the client's current frame.
type frame struct {
	header
	source  *stream // of data; nil if it is ignored
	unread  bool    // the length of its padding
	skip    int     // bytes before the data
	data    int     // remaining bytes of data
	carries int     // all bytes of data
	begins  bool    // a message begins in it
}

// strip returns the data in p, the next part of the payload.
func (f *frame) strip(p []byte) []byte {
	if f.unread && len(p) > 0 {
		f.unread = false
		f.data = max(0, f.length-1-int(p[0]))
		f.carries = f.data
		p = p[1:]
	}
	p = p[:min(len(p), f.data)]
	f.data -= len(p)
	n := min(f.skip, len(p))
	f.skip -= n
	return p[n:]
}

// receive processes bytes from the client. It returns how many to pass on now: all, unless
// they open many streams or too many answers are queued. The error is why the connection
// must end, and is returned ever after.
func (o *observer) receive(p []byte) (passed int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	length := len(p)
	if o.closed || o.foreign {
		return length, o.ended
	}
	p = o.greet(p)
	opened := 0
	for len(p) > 0 && o.ended == nil {
		if o.in.left == 0 {
			if o.in.filled == 0 && (o.answers.full() || opened == openedStreams) {
				break
			}
			h, rest, complete := o.in.header(p)
			p = rest
			if !complete {
				break
			}
			o.begin(h)
			if h.kind == typeHeaders {
				opened++
			}
		}
		var payload []byte
		payload, p = o.in.payload(p)
		o.payload(payload)
		if o.in.left == 0 {
			o.end()
		}
	}
	o.weigh()
	o.draw()
	o.watch()
	return length - len(p), o.ended
}

// greet reads the rest of the preface from p.
func (o *observer) greet(p []byte) []byte {
	if o.greeted == len(preface) {
		return p
	}
	n := min(len(preface)-o.greeted, len(p))
	if string(p[:n]) != preface[o.greeted:o.greeted+n] {
		o.foreign = true
		return nil
	}
	o.greeted += n
	return p[n:]
}

// begin processes the header of a frame.
func (o *observer) begin(h header) {
	o.frame = frame{header: h, unread: h.has(flagPadded), data: h.length, carries: h.length}
	o.answers.queue(h, o.limits.HeaderListBytes)
	if h.kind != typeData && h.length > smallBytes {
		o.longest = max(o.longest, h.length)
	}
	if h.stream > o.newest && (h.kind == typeData || h.kind == typeRSTStream || h.kind == typeWindowUpdate) {
		o.ended = &OrderError{Stream: h.stream}
		return
	}
	switch h.kind {
	case typeHeaders:
		if h.has(flagPriority) {
			o.frame.skip = priorityBytes
		}
		o.fields.begin(h.stream, o.limits.HeaderListBytes)
		o.open(h)
	case typeContinuation:
		o.frame.unread = false // it can't have padding
	case typeRSTStream:
		o.reset(h.stream)
	case typeData:
		if o.frame.source = o.find(h.stream); o.frame.source != nil && o.frame.source.ended {
			o.frame.source = nil
		}
	case typeSettings, typeWindowUpdate:
		o.answers.entry.filled = 0
	}
}

// payload processes part of the payload of a frame.
func (o *observer) payload(p []byte) {
	f := &o.frame
	switch {
	case f.kind == typeHeaders || f.kind == typeContinuation:
		o.fields.receive(f.strip(p))
	case f.kind == typeSettings && !f.has(flagAck):
		o.answers.set(p)
	case f.kind == typeWindowUpdate && f.stream == 0 && f.length == incrementBytes:
		o.answers.widen(p)
	case f.source != nil && f.source.receive(f.strip(p)):
		f.begins = true
	}
}

// end processes the end of a frame.
func (o *observer) end() {
	switch f := &o.frame; {
	case (f.kind == typeHeaders || f.kind == typeContinuation) && f.has(flagEndHeaders):
		stream, held := o.fields.end()
		if s := o.streams[stream]; s != nil {
			s.fieldBytes += held
			o.fieldBytes += held
		}
	case f.source != nil:
		o.endData()
	}
}

// open adds a stream.
func (o *observer) open(h header) {
	if h.stream%2 == 0 { // gRPC ends the connection
		return
	}
	if h.stream <= o.newest {
		o.ended = &OrderError{Stream: h.stream}
		return
	}
	o.newest = h.stream
	if o.answers.openStream() {
		o.ended = &StuckError{Asked: maxAsked}
		return
	}
	if len(o.streams) >= o.limits.Streams+endingStreams {
		o.ended = &StreamsError{Streams: len(o.streams)}
		return
	}
	if o.streams == nil {
		o.streams = map[uint32]*stream{}
	}
	o.streams[h.stream] = &stream{ended: h.has(flagEndStream)}
	o.capacity = max(o.capacity, len(o.streams))
}

// find returns a stream, or nil.
func (o *observer) find(number uint32) *stream {
	if o.recent == nil || o.recentNumber != number {
		o.recent, o.recentNumber = o.streams[number], number
	}
	return o.recent
}

// endData processes the end of a frame of data.
func (o *observer) endData() {
	f, s := &o.frame, o.frame.source
	f.source = nil
	s.backlog.add(f.length, f.carries)
	switch {
	case f.has(flagEndStream):
		o.held = o.held.minus(s.held)
		s.held, s.ended = held{}, true
	case !s.complete() || s.held.messageBytes > 0: // most carry whole messages
		o.hold(s)
	}
	if o.unweighed != s && (s.beyond > 0 || s.backlog.memory > o.limits.UpdateBytes) {
		o.weigh()
		o.unweighed = s
	}
}

// hold counts a frame of data of an incomplete message.
func (o *observer) hold(s *stream) {
	f, before := &o.frame, s.held
	if f.begins || s.complete() {
		s.held = held{}
	}
	if f.carries > 0 && !s.complete() {
		s.held.messageBytes += int64(f.carries)
		if f.length <= smallBytes {
			s.held.smallFrames++
			s.held.smallBytes += f.length + frameBytes
		}
	}
	o.held = o.held.minus(before).plus(s.held)
	if int64(o.held.smallFrames) > int64(o.limits.SmallFrames)+o.held.messageBytes/bytesPerFrame {
		o.ended = &SmallFramesError{Frames: o.held.smallFrames, MessageBytes: o.held.messageBytes}
	}
}

// weigh updates what is drawn for the backlog of the unweighed stream. Frames of an
// incomplete message may be in held too; they are drawn once.
func (o *observer) weigh() {
	s := o.unweighed
	if s == nil {
		return
	}
	o.unweighed = nil
	beyond := max(0, s.backlog.draws(o.limits.UpdateBytes)-s.held.smallBytes)
	o.beyond += beyond - s.beyond
	s.beyond = beyond
}

// reset removes a stream that the client has reset. During a write gRPC still has it in its
// queue.
func (o *observer) reset(number uint32) {
	if s := o.streams[number]; s != nil && o.answers.writing {
		o.answers.queued += OpenBytes + s.fieldBytes
	}
	o.forget(number)
}

// forget removes a stream that has ended.
func (o *observer) forget(number uint32) {
	s := o.streams[number]
	if s == nil {
		return
	}
	o.held = o.held.minus(s.held)
	o.beyond -= s.beyond
	o.fieldBytes -= s.fieldBytes
	delete(o.streams, number)
	if o.frame.source == s {
		o.frame.source = nil
	}
	if o.recent == s {
		o.recent = nil
	}
	if o.unweighed == s {
		o.unweighed = nil
	}
	if len(o.streams) == 0 && o.capacity > keptStreams {
		o.streams, o.capacity = nil, 0 // a map does not shrink
	}
}

// draw draws the difference since the last call.
func (o *observer) draw() {
	now := o.held.smallBytes + o.beyond + o.capacity*streamBytes + len(o.streams)*OpenBytes +
		o.fieldBytes + o.fields.held + o.answers.bytes() + o.keptBytes + o.longest
	if now != o.drawn {
		o.budget.Draw(now - o.drawn)
		o.drawn = now
	}
}

// close returns all that was drawn.
func (o *observer) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.answers.timer != nil {
		o.answers.timer.Stop()
	}
	o.written.Broadcast()
	o.streams, o.recent, o.frame, o.fields = nil, nil, frame{}, fields{}
	o.capacity, o.held, o.beyond, o.fieldBytes, o.keptBytes, o.longest, o.answers = 0, held{}, 0, 0, 0, 0, answers{}
	o.draw()
}
