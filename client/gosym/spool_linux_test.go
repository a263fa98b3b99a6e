package gosym

import (
	"errors"
	"testing"
)

// unreadable returns content of a mapped file whose pages can't be read.
func unreadable(t *testing.T) []byte {
	t.Helper()
	s := newSpool(t.TempDir(), newAllowance(0))
	t.Cleanup(s.release)
	defer s.seal()
	content, err := s.add(spooledBytes, reading(spooledContent()), unchecked())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	return content
}

// An unreadable page, as on a failing disk, ends the reading, not the process.
func TestUnreadablePage(t *testing.T) {
	t.Parallel()
	content := unreadable(t)
	sum := 0
	err := guarded(func() error {
		for _, b := range content {
			sum += int(b)
		}
		return nil
	})
	if !errors.Is(err, errUnreadable) {
		t.Errorf("%v after reading %d, want %v", err, sum, errUnreadable)
	}
}

// The units are read while the file is opened.
func TestUnreadableUnits(t *testing.T) {
	t.Parallel()
	content := unreadable(t)
	_, err := newDebugInfo(content, func(string) ([]byte, error) { return nil, nil }, unchecked())
	if !errors.Is(err, errUnreadable) {
		t.Errorf("%v, want %v", err, errUnreadable)
	}
}

func TestGuardedLetsPanicsPass(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := recover(); p != "other" {
			t.Errorf("panic %v, want another one than of a page", p)
		}
	}()
	_ = guarded(func() error { panic("other") })
}
