package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

const (
	// outputPatience is how long a write may hold up whoever prints.
	outputPatience = time.Second
	// maxPendingBytes bounds what waits for a reader that does not read.
	maxPendingBytes = 256 << 10
)

// output prints for a server, which must outlive whoever reads what it prints. A
// write waits for the reader, so that lines keep their order and a crash loses none,
// but no longer than outputPatience. After that, lines are kept up to maxPendingBytes
// and then dropped, as they are where the reader has gone away. When there is a
// reader again, a line says how many were lost. It is safe for concurrent use.
type output struct {
	w io.Writer
	// note makes the line that says how many were lost.
	note func(lines int) []byte

	mu      sync.Mutex
	pending []byte
	lost    int
	done    chan struct{} // closed when nothing is left to be written; nil: nothing is
	stuck   bool          // nobody waits for done
}

func newOutput(w io.Writer) *output {
	return &output{w: w, note: func(lines int) []byte {
		return fmt.Appendf(nil, "(%s not shown: nobody read them)\n", settings.FormatCount(int64(lines), "line"))
	}}
}

// Write prints p, which is made of whole lines. It never fails.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	if len(o.pending)+len(p) > maxPendingBytes {
		o.lost += bytes.Count(p, []byte("\n"))
	} else {
		o.pending = append(o.pending, p...)
	}
	if o.done == nil {
		o.done = make(chan struct{})
		go o.drain()
	}
	o.mu.Unlock()
	o.wait()
	return len(p), nil
}

// wait returns when all is written, or nobody reads it.
func (o *output) wait() {
	o.mu.Lock()
	done, stuck := o.done, o.stuck
	o.mu.Unlock()
	if done == nil || stuck {
		return
	}
	patience := time.NewTimer(outputPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		o.mu.Lock()
		o.stuck = o.done == done
		o.mu.Unlock()
	}
}

// drain writes until nothing is left.
func (o *output) drain() {
	for {
		o.mu.Lock()
		text := o.pending
		o.pending = nil
		if len(text) == 0 {
			close(o.done)
			o.done, o.stuck = nil, false
			o.mu.Unlock()
			return
		}
		lost, note := o.lost, []byte(nil)
		o.mu.Unlock()
		if lost > 0 {
			note = o.note(lost)
		}
		n, err := o.w.Write(slices.Concat(note, text))
		o.mu.Lock()
		if err == nil {
			o.lost -= lost
		} else {
			o.lost += bytes.Count(text[min(max(n-len(note), 0), len(text)):], []byte("\n"))
		}
		o.mu.Unlock()
	}
}
