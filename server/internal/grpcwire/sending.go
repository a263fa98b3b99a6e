package grpcwire

import "time"

// send goes on by what the server is about to write.
func (o *observer) send(p []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.answers.writing, o.answers.queued = true, 0
	for len(p) > 0 {
		if o.out.left == 0 {
			h, rest, complete := o.out.header(p)
			p = rest
			if !complete {
				break
			}
			o.beginSending(h)
		}
		var payload []byte
		if payload, p = o.out.payload(p); o.widened != 0 {
			o.widen(payload)
		}
	}
	o.draw()
	o.watch()
}

// beginSending goes on by a frame's header.
func (o *observer) beginSending(h header) {
	if h.kind == typeData {
		o.answers.connection -= int64(h.length)
	}
	ends := h.kind == typeRSTStream || (h.kind == typeHeaders || h.kind == typeData) && h.has(flagEndStream)
	if ends {
		o.forget(h.stream)
	}
	o.widened = 0
	if h.kind == typeWindowUpdate && h.length == incrementBytes {
		o.widened = h.stream
	}
}

// sent is called when the server has written.
func (o *observer) sent() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers.writing = false
	o.written.Broadcast()
	o.draw()
}

// awaitSent waits until no more answers are queued than may be. It reports whether the
// connection is still open.
func (o *observer) awaitSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.answers.full() && !o.closed {
		o.written.Wait()
	}
	return !o.closed
}

// keep says how much is read and not handed on.
func (o *observer) keep(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.keptBytes = bytes
		o.draw()
	}
}

// watch has the connection be ended when the client has left no room for answers for
// too long.
func (o *observer) watch() {
	switch narrow, timer := o.answers.narrow(), o.answers.timer; {
	case narrow && timer == nil && !o.closed:
		o.answers.timer = time.AfterFunc(o.limits.Patience, o.stuck)
	case !narrow && timer != nil:
		timer.Stop()
		o.answers.timer = nil
	}
}

// widen goes on by what is sent of an increment.
func (o *observer) widen(p []byte) {
	if _, complete := o.increment.fill(p, incrementBytes); !complete {
		return
	}
	s := o.streams[o.widened]
	if s == nil {
		return
	}
	s.backlog.widen(o.increment.increment())
	o.unweighed = s
	o.weigh()
}
