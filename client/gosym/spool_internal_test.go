package gosym

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

const spooledBytes = 3*minSpooledBytes + 100

func spooledContent() []byte {
	content := make([]byte, spooledBytes)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	return content
}

// reading returns a function that opens the content from the beginning.
func reading(content []byte) func() (io.Reader, error) {
	return func() (io.Reader, error) { return bytes.NewReader(content), nil }
}

// Short sections are in memory, long ones in the file until the last user leaves.
func TestSpoolHoldsSections(t *testing.T) {
	t.Parallel()
	if !canMap {
		t.Skip("no file can be mapped")
	}
	content := spooledContent()
	s := newSpool(t.TempDir(), newAllowance(minSpooledBytes))
	for _, size := range []uint64{10, spooledBytes, minSpooledBytes, 0, spooledBytes} {
		got, err := s.add(size, reading(content), unchecked())
		if err != nil || !bytes.Equal(got, content[:size]) {
			t.Fatalf("%d bytes: %d, %v, want them again", size, len(got), err)
		}
	}
	if len(s.mappings) != 3 {
		t.Errorf("%d sections in the file, want 3", len(s.mappings))
	}
	list, err := freeze(s, unchecked(), slices.Repeat([]int32{1}, minSpooledBytes), []int32{2, 3})
	if err != nil || len(list) != minSpooledBytes+2 || list[0] != 1 || list[minSpooledBytes+1] != 3 {
		t.Errorf("a list of %d, %v, want %d numbers", len(list), err, minSpooledBytes+2)
	}
	s.seal()
	if !s.retain() {
		t.Error("no user can be added, want one more")
	}
	s.release()
	if s.mappings == nil || s.file != nil {
		t.Errorf("%d sections, file %v with a user left, want sections and no file", len(s.mappings), s.file)
	}
	s.release()
	if s.mappings != nil || s.retain() {
		t.Error("there are sections without a user, want none")
	}
}

// If the file can't be written, as on a full disk, further sections are in memory, and
// count.
func TestSpoolWithoutRoom(t *testing.T) {
	t.Parallel()
	if !canMap {
		t.Skip("no file can be mapped")
	}
	path := filepath.Join(t.TempDir(), "read-only")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	content := spooledContent()
	s := newSpool("", newAllowance(spooledBytes))
	defer s.release()
	defer s.seal()
	s.file = readOnly
	got, err := s.add(spooledBytes, reading(content), unchecked())
	if err != nil || !bytes.Equal(got, content) || len(s.mappings) > 0 {
		t.Errorf("%d bytes, %v, want them in memory", len(got), err)
	}
	if _, err := s.add(10, reading(content), unchecked()); !errors.Is(err, ErrMaxMemory) {
		t.Errorf("more than is permitted: %v, want %v", err, ErrMaxMemory)
	}
	list, err := freeze(s, unchecked(), []int32{1}, []int32{2})
	if err != nil || !slices.Equal(list, []int32{1, 2}) {
		t.Errorf("a list in memory: %v, %v, want 1 and 2", list, err)
	}
}

// An unreadable section is an error, and is not read into memory.
func TestSpoolOfShortSection(t *testing.T) {
	t.Parallel()
	s := newSpool(t.TempDir(), newAllowance(0))
	defer s.release()
	defer s.seal()
	opened := 0
	_, err := s.add(spooledBytes, func() (io.Reader, error) {
		opened++
		return bytes.NewReader(make([]byte, minSpooledBytes)), nil
	}, unchecked())
	if !errors.Is(err, io.ErrUnexpectedEOF) || opened != 1 {
		t.Errorf("read %d times: %v, want %v once", opened, err, io.ErrUnexpectedEOF)
	}
}
