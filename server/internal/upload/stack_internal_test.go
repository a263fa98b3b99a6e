package upload

import (
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
)

func newTestStacks() (stacks, *strings.Builder) {
	log := &strings.Builder{}
	return New(Config{}, Dependencies{Logger: slog.New(slog.NewTextHandler(log, nil))}).stacks, log
}

// Work returns its own error, and its stack serves the next work.
func TestStackIsLentAgain(t *testing.T) {
	t.Parallel()
	s, _ := newTestStacks()
	defer s.close()
	for _, want := range []error{nil, io.EOF, nil} {
		if err := s.run(t.Context(), func() error { return want }); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if len(s.free) != 1 {
			t.Errorf("%d stacks are free, want 1", len(s.free))
		}
	}
}

// Each piece of work has a stack of its own while it waits. Only some are kept.
func TestStacksAreKept(t *testing.T) {
	t.Parallel()
	s, _ := newTestStacks()
	defer s.close()
	most := 4 * runtime.GOMAXPROCS(0)
	enter, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	for range most + 1 {
		go func() {
			left <- s.run(t.Context(), func() error {
				enter <- struct{}{}
				<-leave
				return nil
			})
		}()
	}
	for range most + 1 {
		<-enter
	}
	close(leave)
	for range most + 1 {
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
	if len(s.free) != most {
		t.Errorf("%d stacks are free, want %d", len(s.free), most)
	}
}

// A panic becomes an error. Its log shows where it happened.
func TestPanicOnAStack(t *testing.T) {
	t.Parallel()
	s, log := newTestStacks()
	defer s.close()
	if err := s.run(t.Context(), panics); !errors.Is(err, errInternal) {
		t.Errorf("%v, want %v", err, errInternal)
	}
	if !strings.Contains(log.String(), "upload.panics") {
		t.Errorf("the log does not show where the panic happened:\n%s", log)
	}
	if err := s.run(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("the next work returns %v, want nil", err)
	}
}

func panics() error { panic("at work") }
