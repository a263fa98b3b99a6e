package grpcwire

import "sync"

// preface is what a client sends first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	// smallBytes is the longest payload that gRPC does not take from its pool.
	smallBytes = 1 << 10
	// frameBytes is what gRPC holds of such a frame beside its payload: a slice, an
	// interface, and what the allocator rounds up by.
	frameBytes = 64
	// bytesPerFrame is how much of a message makes up for a small frame, so that a
	// client may go on for as long as its frames are of such a length on average.
	bytesPerFrame = 256
	// streamBytes is what is held here for a stream.
	streamBytes = 128
	// endingStreams is how many streams may be open here beside those that are open
	// for gRPC, which knows of an end earlier: when that is still to be written.
	endingStreams = 4096
	// openedStreams is how many requests are handed on at a time. What gRPC has once
	// been given it works off, also when the connection is long closed and nothing is
	// drawn for its streams any more.
	openedStreams = 16
	// keptStreams is how many streams the table of them is kept for.
	keptStreams = 64
)

// OpenBytes is what is drawn for a stream beside the fields of its request, until its
// end is written: for gRPC's stream, its context, a goroutine and the answer.
const OpenBytes = 8 << 10

// observer follows both directions of a connection. It is safe for concurrent
// use.
type observer struct {
	limits Limits
	budget Budget

	mu     sync.Mutex
	closed bool
	ended  error // why the connection has to end

	// What the client sends:

	greeted int  // bytes of the preface
	foreign bool // what came is no HTTP/2
	in      scanner
	frame   frame
	fields  fields

	// streams are those that the client has opened, until it resets them or the server
	// has written their end: at most limits.Streams and endingStreams.
	streams map[uint32]*stream
	newest  uint32
	// recent is the stream of the last frame of data, if that is still open.
	recent       *stream
	recentNumber uint32

	// What the server sends:

	out     scanner
	answers answers
	stuck   func()     // called when the client has left no room for answers for too long
	written *sync.Cond // that the server has
	// widened is the stream whose window is, by an increment that comes now; 0: none.
	widened   uint32
	increment entry

	// What is held:

	held       held
	beyond     int // of all streams
	fieldBytes int // of all streams
	keptBytes  int // read, and not handed on
	longest    int // of the client's frames without data, for which gRPC keeps room
	// unweighed is the stream whose backlog has changed since it was weighed. There
	// is none but while receive runs.
	unweighed *stream
	drawn     int // from the budget
	capacity  int // of the table of streams
}

// frame is the client's frame whose payload comes now.
type frame struct {
	header
	of      *stream // of data; nil: nothing in it is looked at
	unread  bool    // the length of its padding
	skip    int     // what stands in front of the data
	data    int     // what is still to come of the data
	carries int     // all data
	begins  bool    // a message begins in it
}

// strip returns what p, which comes next, has of the data.
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

// receive goes on by what the client has sent. It returns how much of that is to be
// handed on now: all, unless it opens many streams, or too many answers wait for the
// server to write. The error tells why the connection has to end, and is returned ever
// after.
func (o *observer) receive(p []byte) (taken int, err error) {
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
		o.take(payload)
		if o.in.left == 0 {
			o.end()
		}
	}
	o.weigh()
	o.draw()
	o.watch()
	return length - len(p), o.ended
}

// greet takes the rest of the preface from the front of p.
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

// begin goes on by a frame's header.
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
		o.frame.unread = false // it has no padding, whatever its flags
	case typeRSTStream:
		o.reset(h.stream)
	case typeData:
		if o.frame.of = o.find(h.stream); o.frame.of != nil && o.frame.of.ended {
			o.frame.of = nil
		}
	case typeSettings, typeWindowUpdate:
		o.answers.entry.filled = 0
	}
}

// take goes on by what has come of the payload of a frame.
func (o *observer) take(p []byte) {
	f := &o.frame
	switch {
	case f.kind == typeHeaders || f.kind == typeContinuation:
		o.fields.take(f.strip(p))
	case f.kind == typeSettings && !f.has(flagAck):
		o.answers.set(p)
	case f.kind == typeWindowUpdate && f.stream == 0 && f.length == incrementBytes:
		o.answers.widen(p)
	case f.of != nil && f.of.take(f.strip(p)):
		f.begins = true
	}
}

// end goes on by the end of a frame.
func (o *observer) end() {
	switch f := &o.frame; {
	case (f.kind == typeHeaders || f.kind == typeContinuation) && f.has(flagEndHeaders):
		stream, held := o.fields.end()
		if s := o.streams[stream]; s != nil {
			s.fieldBytes += held
			o.fieldBytes += held
		}
	case f.of != nil:
		o.endData()
	}
}

// open enters a stream.
func (o *observer) open(h header) {
	if h.stream%2 == 0 { // gRPC ends the connection
		return
	}
	if h.stream <= o.newest {
		o.ended = &OrderError{Stream: h.stream}
		return
	}
	o.newest = h.stream
	if o.answers.ask() {
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

// endData goes on by the end of a frame of data.
func (o *observer) endData() {
	f, s := &o.frame, o.frame.of
	f.of = nil
	s.backlog.add(f.length, f.carries)
	switch {
	case f.has(flagEndStream):
		o.finish(s)
	case !s.complete() || s.held.messageBytes > 0: // most carry whole messages
		o.hold(s)
	}
	if o.unweighed != s && (s.beyond > 0 || s.backlog.memory > o.limits.UpdateBytes) {
		o.weigh()
		o.unweighed = s
	}
}

// finish goes on by the client's end of a stream.
func (o *observer) finish(s *stream) {
	o.held = o.held.minus(s.held)
	s.held = held{}
	s.ended = true
}

// hold enters what a frame of data adds to an incomplete message.
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

// weigh enters what is drawn for the backlog of the stream that is not weighed:
// frames of an incomplete message are either in that or read, but may be counted in
// both.
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

// reset drops a stream that the client has reset. gRPC does so only when it comes to
// that in its queue.
func (o *observer) reset(number uint32) {
	if s := o.streams[number]; s != nil && o.answers.writing {
		o.answers.queued += OpenBytes + s.fieldBytes
	}
	o.forget(number)
}

// forget drops a stream that has ended.
func (o *observer) forget(number uint32) {
	s := o.streams[number]
	if s == nil {
		return
	}
	o.held = o.held.minus(s.held)
	o.beyond -= s.beyond
	o.fieldBytes -= s.fieldBytes
	delete(o.streams, number)
	if o.frame.of == s {
		o.frame.of = nil
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

// draw draws what is held now.
func (o *observer) draw() {
	now := o.held.smallBytes + o.beyond + o.capacity*streamBytes + len(o.streams)*OpenBytes +
		o.fieldBytes + o.fields.held + o.answers.bytes() + o.keptBytes + o.longest
	if now != o.drawn {
		o.budget.Draw(now - o.drawn)
		o.drawn = now
	}
}

// close gives everything back.
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
