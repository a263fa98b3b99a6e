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
	// outputPatience is how long a Write waits for the reader.
	outputPatience = time.Second
	// maxPendingBytes bounds the lines that wait for the reader.
	maxPendingBytes = 256 << 10
)

// output keeps a slow reader from blocking a server. A Write waits for the reader for up
// to outputPatience, so that a crash loses no lines. After that, up to maxPendingBytes of
// lines are kept, and further ones dropped, as they are if the reader has gone. Once there
// is a reader again, a line says how many were lost. A Write of more than maxPendingBytes is
// shortened. It is safe for concurrent use.
type output struct {
	w io.Writer
	// note returns the line that says how many were lost.
	note func(lines int) []byte

	mu      sync.Mutex
	pending []byte
	lost    int
	done    chan struct{} // closed when pending has been written; nil while nothing is pending
	stuck   bool          // Writes do not wait
}

func newOutput(w io.Writer) *output {
	return &output{w: w, note: func(lines int) []byte {
		return fmt.Appendf(nil, "(%s lost: the output was blocked)\n", settings.FormatCount(int64(lines), "line"))
	}}
}

// Write prints p, which consists of whole lines. It never fails.
func (o *output) Write(p []byte) (int, error) {
	written := len(p)
	if written > maxPendingBytes {
		const end = "…\n"
		p = append(bytes.ToValidUTF8(p[:maxPendingBytes-len(end)], nil), end...)
	}
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
	done, stuck := o.done, o.stuck
	o.mu.Unlock()
	if stuck {
		return written, nil
	}
	select {
	case <-done:
	case <-time.After(outputPatience):
		o.mu.Lock()
		o.stuck = o.done == done
		o.mu.Unlock()
	}
	return written, nil
}

// drain writes until nothing is pending.
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
