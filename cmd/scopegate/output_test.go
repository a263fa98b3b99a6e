package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reader is the other end of an output. It reads only while it is open, and is gone
// otherwise.
type reader struct {
	mu   sync.Mutex
	text strings.Builder
	gone bool
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, errors.New("broken pipe")
	}
	return r.text.Write(p)
}

func (r *reader) setGone(gone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = gone
}

func (r *reader) read() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.text.String()
	r.text.Reset()
	return text
}

// Printed text has reached a reader when the print returns.
func TestOutputIsInOrder(t *testing.T) {
	t.Parallel()
	var r reader
	o := newOutput(&r)
	for i := range 100 {
		line := fmt.Sprintln("line", i)
		if n, err := io.WriteString(o, line); n != len(line) || err != nil {
			t.Fatalf("%d, %v, want %v", n, err, len(line))
		}
		if got := r.read(); got != line {
			t.Fatalf("got %q, want %q", got, line)
		}
	}
}

func TestOutputWithoutReader(t *testing.T) {
	t.Parallel()
	var r reader
	o := newOutput(&r)
	r.setGone(true)
	for range 3 {
		fmt.Fprint(o, "lost\n")
	}
	r.setGone(false)
	fmt.Fprint(o, "read\n")
	if got := r.read(); got != "(3 lines lost: the output was blocked)\nread\n" {
		t.Errorf("%q, want %q", got, "(3 lines lost: the output was blocked)\nread\n")
	}
	fmt.Fprint(o, "read\n")
	if got := r.read(); got != "read\n" {
		t.Errorf("%q, want %q", got, "read\n")
	}
}

// A text longer than the limit of pending text is shortened, not dropped.
func TestOutputOfLongText(t *testing.T) {
	t.Parallel()
	var r reader
	o := newOutput(&r)
	long := "error: " + strings.Repeat("é", maxPendingBytes) + "\n"
	if n, err := io.WriteString(o, long); n != len(long) || err != nil {
		t.Errorf("%d, %v, want %d", n, err, len(long))
	}
	got := r.read()
	if len(got) > maxPendingBytes || !strings.HasPrefix(got, "error: é") || !strings.HasSuffix(got, "é…\n") {
		t.Errorf("got %d bytes, want at most %d, the start and an ellipsis", len(got), maxPendingBytes)
	}
}

// A reader that does not read delays one line for a second, and no others. Pending text is
// bounded.
func TestOutputWithStuckReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, in := io.Pipe()
		o := newOutput(in)
		logger := slog.New(logFlags{Format: "json"}.handler(o))
		_, flush := logFlags{Format: "json"}.logger(o)
		defer flush()
		began := time.Now()
		const lines = 5000
		for i := range lines {
			logger.Info("line", "number", i, "padding", strings.Repeat("x", 100))
		}
		if waited := time.Since(began); waited != outputPatience {
			t.Errorf("%d lines took %v, want %v", lines, waited, outputPatience)
		}
		o.mu.Lock()
		held, lost := len(o.pending), o.lost
		o.mu.Unlock()
		if held > maxPendingBytes || lost == 0 {
			t.Errorf("%d bytes are held, and %d lines lost, want at most %d, and some", held, lost, maxPendingBytes)
		}
		read := make(chan string)
		go func() {
			text, _ := io.ReadAll(out)
			read <- string(text)
		}()
		synctest.Wait()
		logger.Info("last")
		_ = in.Close()
		text := <-read
		want := fmt.Sprintf(`"msg":"log lines lost: the output was blocked","count":%d}`, lost)
		if strings.Count(text, want) != 1 || strings.Count(text, "\n") != lines-lost+2 || !strings.Contains(text, `"msg":"last"`) {
			t.Errorf("read %d lines, with the note %d times, want 1, %v and %q in it", strings.Count(text, "\n"), strings.Count(text, want), lines-lost+2, `"msg":"last"`)
		}
	})
}
