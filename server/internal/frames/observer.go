package frames

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
	// keptStreams is how many streams the table of them is kept for.
	keptStreams = 64
)

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

	// streams are those that the client has opened and nobody has ended, and those
	// that the client has ended and the server has far from read: at most
	// limits.Streams and endingStreams.
	streams map[uint32]*stream
	newest  uint32
	// recent is the stream of the last frame of data, if that is still open.
	recent       *stream
	recentNumber uint32
	// disorderly tells that the client has sent on a stream before it was opened, or
	// opened one again. Then an end that the server writes may be the answer to that,
	// and not be the end of the stream that has this number now.
	disorderly bool

	// What the server sends:

	out scanner
	// widened is the stream whose window is, by an increment that comes now; 0: none.
	widened   uint32
	increment uint32

	// What is held:

	held   held
	beyond int // of all streams
	// unweighed is the stream whose backlog has changed since it was weighed. There
	// is none but while receive runs.
	unweighed *stream
	drawn     int // from the budget
	capacity  int // of the table of streams
}

// frame is the client's frame whose payload comes now.
type frame struct {
	header
	of      *stream // nil: nothing in it is looked at
	unread  bool    // the length of its padding
	data    int     // what is still to come of the data
	carries int     // all data
	begins  bool    // a message begins in it
}

// receive goes on by what the client has sent. The error tells why the connection
// has to end, and is returned ever after.
func (o *observer) receive(p []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.foreign {
		return o.ended
	}
	p = o.greet(p)
	for len(p) > 0 && o.ended == nil {
		if o.in.left == 0 {
			h, rest, complete := o.in.header(p)
			p = rest
			if !complete {
				break
			}
			o.begin(h)
		}
		var payload []byte
		if payload, p = o.in.payload(p); o.frame.of == nil {
			continue
		}
		o.take(payload)
		if o.in.left == 0 {
			o.end()
		}
	}
	o.weigh()
	o.draw()
	return o.ended
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
	o.frame = frame{header: h}
	if h.stream > o.newest && h.kind != typeHeaders && h.kind != typePriority {
		o.disorderly = true
	}
	switch h.kind {
	case typeHeaders:
		o.open(h)
	case typeRSTStream:
		o.forget(h.stream)
	case typeData:
		if o.frame.of = o.find(h.stream); o.frame.of != nil && o.frame.of.ended {
			o.frame.of = nil
		}
		o.frame.unread, o.frame.data, o.frame.carries = h.has(flagPadded), h.length, h.length
		if o.frame.of != nil && h.length == 0 {
			o.end()
		}
	}
}

// open enters a stream, unless the client has nothing to send on it.
func (o *observer) open(h header) {
	if h.stream%2 == 0 { // gRPC ends the connection
		return
	}
	if h.stream <= o.newest {
		o.disorderly = true
	}
	o.newest = max(o.newest, h.stream)
	if h.has(flagEndStream) || o.streams[h.stream] != nil {
		return
	}
	if len(o.streams) >= o.limits.Streams+endingStreams {
		o.ended = &StreamsError{Streams: len(o.streams)}
		return
	}
	if o.streams == nil {
		o.streams = map[uint32]*stream{}
	}
	o.streams[h.stream] = &stream{}
	o.capacity = max(o.capacity, len(o.streams))
}

// find returns a stream, or nil.
func (o *observer) find(number uint32) *stream {
	if o.recent == nil || o.recentNumber != number {
		o.recent, o.recentNumber = o.streams[number], number
	}
	return o.recent
}

// take goes on by what has come of the payload of a frame of data.
func (o *observer) take(p []byte) {
	f := &o.frame
	if f.unread && len(p) > 0 {
		f.unread = false
		f.data = max(0, f.length-1-int(p[0]))
		f.carries = f.data
		p = p[1:]
	}
	p = p[:min(len(p), f.data)]
	f.data -= len(p)
	if f.of.take(p) {
		f.begins = true
	}
}

// end goes on by the end of a frame of data.
func (o *observer) end() {
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
	if !s.ended {
		return
	}
	if o.weigh(); s.beyond == 0 || o.disorderly {
		o.forget(f.stream)
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

// forget drops a stream that has ended.
func (o *observer) forget(number uint32) {
	s := o.streams[number]
	if s == nil {
		return
	}
	o.held = o.held.minus(s.held)
	o.beyond -= s.beyond
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

// send goes on by what the server sends.
func (o *observer) send(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	for len(p) > 0 {
		if o.out.left == 0 {
			h, rest, complete := o.out.header(p)
			p = rest
			if !complete {
				break
			}
			ends := h.kind == typeRSTStream || (h.kind == typeHeaders || h.kind == typeData) && h.has(flagEndStream)
			if ends && !o.disorderly {
				o.forget(h.stream)
			}
			o.widened = 0
			if h.kind == typeWindowUpdate && h.length == incrementBytes {
				o.widened = h.stream
			}
		}
		var payload []byte
		if payload, p = o.out.payload(p); o.widened != 0 {
			o.widen(payload)
		}
	}
	o.draw()
}

// widen goes on by what is sent of an increment.
func (o *observer) widen(p []byte) {
	for _, b := range p {
		o.increment = o.increment<<8 | uint32(b)
	}
	if o.out.left > 0 {
		return
	}
	s := o.streams[o.widened]
	if s == nil {
		return
	}
	s.backlog.widen(int64(o.increment &^ (1 << 31)))
	o.unweighed = s
	if o.weigh(); s.ended && s.beyond == 0 {
		o.forget(o.widened)
	}
}

// draw draws what is held now.
func (o *observer) draw() {
	now := o.held.smallBytes + o.beyond + o.capacity*streamBytes
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
	o.streams, o.recent, o.frame = nil, nil, frame{}
	o.capacity, o.held, o.beyond = 0, held{}, 0
	o.draw()
}
