package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/spool"
)

var _ encode.Store = (*spool.Spool)(nil)

func open(tb testing.TB, dir string, blocks int64) *spool.Spool {
	tb.Helper()
	s, err := spool.Open(dir, blocks*spool.BlockBytes)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func put(tb testing.TB, s *spool.Spool, seed byte) int64 {
	tb.Helper()
	id, err := s.Put(block(seed))
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func wantBlock(tb testing.TB, s *spool.Spool, id int64, seed byte) {
	tb.Helper()
	b := make([]byte, spool.BlockBytes)
	if err := s.ReadAt(b, id, 0); err != nil || !bytes.Equal(b, block(seed)) {
		tb.Errorf("block %d: other bytes, error %v", id, err)
	}
}

// Nothing of a spool is in its directory while it is used.
func TestFileHasNoName(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file keeps its name on Windows")
	}
	dir := t.TempDir()
	s := open(t, dir, 10)
	id := put(t, s, 1)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the directory has %v, error %v, want 0", entries, err)
	}
	wantBlock(t, s, id, 1)
	if s.Mode() != 0o600 {
		t.Errorf("the file has mode %o, want 0o600", s.Mode())
	}
}

// A name that could not be taken from the file goes with Close.
func TestCloseRemovesName(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file := &memoryFile{}
	s := spool.OnFile(file, name, spool.BlockBytes)
	if err := s.Close(); err != nil || !file.closed {
		t.Errorf("closed: %v, error %v, want it closed", file.closed, err)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v, want %v", err, fs.ErrNotExist)
	}
	if err := s.Close(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing to remove: error %v", err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s, err := spool.Open(t.TempDir(), 2*spool.BlockBytes)
	if err != nil {
		t.Fatal(err)
	}
	id := put(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(block(2)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Put: %v, want %v", err, os.ErrClosed)
	}
	if err := s.ReadAt(make([]byte, 1), id, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt: %v, want %v", err, os.ErrClosed)
	}
	s.Free(id)
	if err := s.Close(); !errors.Is(err, os.ErrClosed) || s.UsedBytes() != 0 {
		t.Errorf("Close: %v, %d bytes are used, want %v and UsedBytes 0", err, s.UsedBytes(), os.ErrClosed)
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		dir      string
		maxBytes int64
		want     string
		is       error
	}{
		{"", 1 << 20, "no directory", nil},
		{filepath.Join(dir, "missing"), 1 << 20, filepath.Join(dir, "missing"), fs.ErrNotExist},
		{plain, 1 << 20, plain, nil},
		{dir, spool.BlockBytes - 1, "16383 bytes", nil},
		{dir, 0, dir, nil},
		{dir, -1, "-1 bytes", nil},
	}
	for _, tt := range tests {
		s, err := spool.Open(tt.dir, tt.maxBytes)
		if err == nil {
			t.Errorf("%q, %d bytes: no error, close %v", tt.dir, tt.maxBytes, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%q, %d bytes: error %v, want %q", tt.dir, tt.maxBytes, err, tt.want)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 4)
	if _, err := s.Put(make([]byte, spool.BlockBytes+1)); err == nil || s.UsedBytes() != 0 {
		t.Errorf("Put of more than a block: error %v, %d are used, want 0", err, s.UsedBytes())
	}
	id := put(t, s, 1)
	for _, tt := range []struct {
		length, offset int
		id             int64
	}{{1, spool.BlockBytes, id}, {spool.BlockBytes, 1, id}, {1, -1, id}, {spool.BlockBytes + 1, 0, id}, {1, 0, -1}} {
		if err := s.ReadAt(make([]byte, tt.length), tt.id, tt.offset); err == nil {
			t.Errorf("%+v: no error", tt)
		}
	}
	if err := s.ReadAt(nil, id, spool.BlockBytes); err != nil {
		t.Errorf("nothing, at the end: %v", err)
	}
	// A read of what was never written is no regular end.
	if err := s.ReadAt(make([]byte, 1), 3, 0); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		t.Errorf("beyond the file: %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// A block may be shorter than the others, and last in the file.
func TestShortBlock(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 4)
	const text = "short"
	id, err := s.Put([]byte(text))
	if err != nil || s.UsedBytes() != spool.BlockBytes {
		t.Fatalf("%d bytes are used, error %v; want %d", s.UsedBytes(), err, spool.BlockBytes)
	}
	got := make([]byte, len(text)-1)
	if err := s.ReadAt(got, id, 1); err != nil || string(got) != text[1:] {
		t.Errorf("%q, error %v; want %q", got, err, text[1:])
	}
}

func TestReadError(t *testing.T) {
	t.Parallel()
	file := &memoryFile{readErr: syscall.EIO}
	s := spool.OnFile(file, "", spool.BlockBytes)
	id := put(t, s, 1)
	if err := s.ReadAt(make([]byte, 1), id, 0); !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v, want %v", err, syscall.EIO)
	}
	file.readErr = nil
	wantBlock(t, s, id, 1)
}

// A file that can't be truncated is used on.
func TestTruncateFails(t *testing.T) {
	t.Parallel()
	file := &memoryFile{truncateErr: syscall.EIO}
	s := spool.OnFile(file, "", spool.BlockBytes)
	s.Free(put(t, s, 1))
	if s.UsedBytes() != 0 || len(file.bytes) != spool.BlockBytes {
		t.Errorf("%d bytes are used, the file has %d, want UsedBytes 0 and %v bytes", s.UsedBytes(), len(file.bytes), spool.BlockBytes)
	}
	wantBlock(t, s, put(t, s, 2), 2)
}

// The memory follows the file's length, not the limit.
func TestMemory(t *testing.T) {
	t.Parallel()
	s := spool.OnFile(&memoryFile{}, "", 1<<50)
	for i := range 130 {
		if want := (i + 63) / 64; s.WordCount() != want {
			t.Fatalf("%d words for %d blocks, want %d", s.WordCount(), i, want)
		}
		put(t, s, 1)
	}
}

func TestConcurrently(t *testing.T) {
	t.Parallel()
	const blocks = 100
	s := open(t, t.TempDir(), blocks)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(worker), 1))
			held := map[int64]byte{}
			for range 300 {
				if seed := byte(rng.Uint32()); rng.IntN(2) == 0 {
					id, err := s.Put(block(seed))
					if _, twice := held[id]; twice && err == nil || err != nil && !errors.Is(err, spool.ErrFull) {
						t.Errorf("put as %d, which is used: %v; error %v", id, twice, err)
					}
					if err == nil {
						held[id] = seed
					}
					continue
				}
				for id, seed := range held {
					wantBlock(t, s, id, seed)
					s.Free(id)
					delete(held, id)
					break
				}
			}
			for id, seed := range held {
				wantBlock(t, s, id, seed)
				s.Free(id)
			}
		})
	}
	all.Wait()
	if s.UsedBytes() != 0 {
		t.Errorf("%d bytes are used, want 0", s.UsedBytes())
	}
}

// One block after the other comes and goes, so that the file is truncated while
// others begin to write.
func TestTruncatesBetweenWrites(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 4)
	var all sync.WaitGroup
	for worker := range byte(3) {
		all.Go(func() {
			for range 300 {
				id, err := s.Put(block(worker))
				if err != nil {
					t.Error(err)
					return
				}
				wantBlock(t, s, id, worker)
				s.Free(id)
			}
		})
	}
	all.Wait()
}

// pacedFile takes its time to truncate, as long as nothing is written meanwhile.
type pacedFile struct {
	memoryFile
	truncates chan struct{}
	written   atomic.Bool
}

func (f *pacedFile) Truncate(size int64) error {
	close(f.truncates)
	for i := 0; i < 5000 && !f.written.Load(); i++ {
		runtime.Gosched()
	}
	return f.memoryFile.Truncate(size)
}

func (f *pacedFile) WriteAt(b []byte, offset int64) (int, error) {
	defer f.written.Store(true)
	return f.memoryFile.WriteAt(b, offset)
}

// A block that is put while the file is truncated is not cut off.
func TestPutWhileTruncated(t *testing.T) {
	t.Parallel()
	file := &pacedFile{truncates: make(chan struct{})}
	s := spool.OnFile(file, "", 2*spool.BlockBytes)
	first := put(t, s, 1)
	file.written.Store(false)
	var second sync.WaitGroup
	second.Go(func() {
		<-file.truncates
		if _, err := s.Put(block(2)); err != nil {
			t.Error(err)
		}
	})
	s.Free(first)
	second.Wait()
	wantBlock(t, s, 0, 2)
}

// Segments go to disk and come back.
func TestSegments(t *testing.T) {
	t.Parallel()
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, t.TempDir(), 20)
	member := pool.NewMember(nil)
	json := make([]byte, 400_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(json)
	_, _ = member.Write(json)
	file := member.Finish()
	want, err := io.ReadAll(file.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	// There are more segments than the spool has room for.
	freed, err := file.Spill(s)
	if freed != 20*spool.BlockBytes || s.UsedBytes() != 20*spool.BlockBytes || !errors.Is(err, spool.ErrFull) {
		t.Errorf("%d bytes freed, %d used, error %v, want freed %v, UsedBytes %v and %v", freed, s.UsedBytes(), err, 20*spool.BlockBytes, 20*spool.BlockBytes, spool.ErrFull)
	}
	if got, err := io.ReadAll(file.NewReader()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes, error %v", err)
	}
	file.Release()
	if s.UsedBytes() != 0 {
		t.Errorf("%d bytes are used after Release, want 0", s.UsedBytes())
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := spool.Open(dir, 1<<30)
	if err != nil {
		panic(err)
	}
	defer s.Close()

	id, err := s.Put(bytes.Repeat([]byte("scopes, "), spool.BlockBytes/8))
	if err != nil {
		panic(err)
	}
	part := make([]byte, 6)
	fmt.Println(s.ReadAt(part, id, 800), string(part), s.UsedBytes())
	s.Free(id)
	fmt.Println(s.UsedBytes())
	// Output:
	// <nil> scopes 16384
	// 0
}
