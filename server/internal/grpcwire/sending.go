package grpcwire

import "time"

// send processes bytes that the server is about to write.
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

// beginSending processes the header of a frame that the server sends.
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

// sent is called when a write has returned.
func (o *observer) sent() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers.writing = false
	o.written.Broadcast()
	o.draw()
}

// awaitSent waits while too many answers are queued. It reports whether the connection is
// still open.
func (o *observer) awaitSent() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.answers.full() && !o.closed {
		o.written.Wait()
	}
	return !o.closed
}

// keep records how much was read but not returned.
func (o *observer) keep(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.keptBytes = bytes
		o.draw()
	}
}

// watch starts or stops the timer for a client that leaves no room for answers.
func (o *observer) watch() {
	switch narrow, timer := o.answers.narrow(), o.answers.timer; {
	case narrow && timer == nil && !o.closed:
		o.answers.timer = time.AfterFunc(o.limits.Patience, o.stuck)
	case !narrow && timer != nil:
		timer.Stop()
		o.answers.timer = nil
	}
}

// widen processes part of an increment.
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
