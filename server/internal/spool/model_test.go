package spool_test

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/spool"
)

// memoryFile is a file that fails when told to.
type memoryFile struct {
	bytes []byte
	// writeErr fails writes, after half of the bytes; readErr fails reads.
	writeErr, readErr, truncateErr error
	// short has writes take half of the bytes without saying why.
	short  bool
	closed bool
}

func (f *memoryFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.writeErr != nil || f.short {
		b = b[:len(b)/2]
	}
	if missing := int(offset) + len(b) - len(f.bytes); missing > 0 {
		f.bytes = append(f.bytes, make([]byte, missing)...)
	}
	return copy(f.bytes[offset:], b), f.writeErr
}

func (f *memoryFile) ReadAt(b []byte, offset int64) (int, error) {
	if f.readErr != nil {
		return 0, f.readErr
	}
	if offset >= int64(len(f.bytes)) {
		return 0, io.EOF
	}
	n := copy(b, f.bytes[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) Truncate(size int64) error {
	if f.truncateErr == nil {
		f.bytes = f.bytes[:size]
	}
	return f.truncateErr
}

func (f *memoryFile) Close() error {
	f.closed = true
	return nil
}

// block returns a block filled with its seed.
func block(seed byte) []byte { return bytes.Repeat([]byte{seed, seed ^ 0x55}, spool.BlockBytes/2) }

// model is what a spool must behave like.
type model struct {
	most int64
	used map[int64]byte
}

func (m *model) lowest() int64 {
	for id := int64(0); ; id++ {
		if _, ok := m.used[id]; !ok {
			return id
		}
	}
}

func (m *model) anyUsed(t *rapid.T) int64 {
	if len(m.used) == 0 {
		t.Skip("none is used")
	}
	id := rapid.Int64Range(0, m.most-1).Draw(t, "from")
	for ; ; id = (id + 1) % m.most {
		if _, ok := m.used[id]; ok {
			return id
		}
	}
}

// TestModel compares any sequence of puts, reads, frees and failures with a
// model.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			most: rapid.SampledFrom([]int64{1, 3, 63, 64, 65, 200}).Draw(t, "most"),
			used: map[int64]byte{},
		}
		file := &memoryFile{}
		s := spool.OnFile(file, "", m.most*spool.BlockBytes+rapid.Int64Range(0, spool.BlockBytes-1).Draw(t, "rest"))
		put := func(t *rapid.T) {
			seed := rapid.Byte().Draw(t, "seed")
			id, err := s.Put(block(seed))
			if int64(len(m.used)) == m.most {
				if !errors.Is(err, spool.ErrFull) {
					t.Fatalf("put to %d of %d: error %v, want %v", len(m.used), m.most, err, spool.ErrFull)
				}
				return
			}
			if want := m.lowest(); id != want || err != nil {
				t.Fatalf("put as %d, error %v; want %d", id, err, want)
			}
			m.used[id] = seed
		}
		free := func(t *rapid.T) {
			id := m.anyUsed(t)
			s.Free(id)
			delete(m.used, id)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if got, want := s.UsedBytes(), int64(len(m.used))*spool.BlockBytes; got != want {
					t.Fatalf("%d bytes are used, want %d", got, want)
				}
				if len(m.used) == 0 && len(file.bytes) != 0 {
					t.Fatalf("the file has %d bytes though no block is used", len(file.bytes))
				}
				if got, most := int64(len(file.bytes)), m.most*spool.BlockBytes; got > most {
					t.Fatalf("the file has %d bytes, more than %d", got, most)
				}
			},
			"put": put,
			"put some": func(t *rapid.T) {
				for range rapid.IntRange(2, 80).Draw(t, "count") {
					put(t)
				}
			},
			"free": free,
			"free some": func(t *rapid.T) {
				for range min(len(m.used), rapid.IntRange(2, 80).Draw(t, "count")) {
					free(t)
				}
			},
			"free what is not used": func(t *rapid.T) {
				id := rapid.Int64Range(-70, m.most+70).Draw(t, "id")
				if _, ok := m.used[id]; !ok {
					s.Free(id)
				}
			},
			"read": func(t *rapid.T) {
				id := m.anyUsed(t)
				offset := rapid.IntRange(0, spool.BlockBytes).Draw(t, "offset")
				b := make([]byte, rapid.IntRange(0, spool.BlockBytes-offset).Draw(t, "length"))
				if err := s.ReadAt(b, id, offset); err != nil || !bytes.Equal(b, block(m.used[id])[offset:offset+len(b)]) {
					t.Fatalf("read %d from %d of %d: other bytes, error %v", len(b), offset, id, err)
				}
			},
			"a write fails": func(t *rapid.T) {
				if int64(len(m.used)) == m.most {
					t.Skip("it is full")
				}
				file.writeErr = rapid.SampledFrom([]error{syscall.ENOSPC, syscall.EIO, nil}).Draw(t, "error")
				file.short = file.writeErr == nil
				_, err := s.Put(block(1))
				if want := file.writeErr; want != nil && !errors.Is(err, want) || want == nil && !errors.Is(err, io.ErrShortWrite) {
					t.Fatalf("got %v, want %v", err, want)
				}
				file.writeErr, file.short = nil, false
			},
		})
	})
}
