package encode_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// mapStore is a store in memory.
type mapStore struct {
	mu     sync.Mutex
	blocks map[int64][]byte
	last   int64
	// room is how many blocks can be put before errNoRoom; less than 0: any number.
	room int
	// reads is how often can be read before errBroken; less than 0: any number.
	reads int
}

var (
	errNoRoom  = errors.New("no room")
	errNoBlock = errors.New("no such block")
	errBroken  = errors.New("broken")
)

func newStore() *mapStore { return &mapStore{blocks: map[int64][]byte{}, room: -1, reads: -1} }

func (s *mapStore) Put(block []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(block) > encode.SegmentBytes {
		return 0, fmt.Errorf("a block of %d bytes", len(block))
	}
	if s.room == 0 {
		return 0, errNoRoom
	}
	s.room--
	s.last++
	s.blocks[s.last] = bytes.Clone(block)
	return s.last, nil
}

func (s *mapStore) ReadAt(b []byte, id int64, offset int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads == 0 {
		return errBroken
	}
	s.reads--
	block, ok := s.blocks[id]
	if !ok || offset+len(b) > len(block) {
		return errNoBlock
	}
	copy(b, block[offset:])
	return nil
}

func (s *mapStore) Free(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.blocks[id]; !ok {
		panic(errNoBlock)
	}
	delete(s.blocks, id)
}

func (s *mapStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.blocks)
}

func (s *mapStore) bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, block := range s.blocks {
		n += len(block)
	}
	return n
}

// gateStore lets a test act while a block is being put.
type gateStore struct {
	*mapStore
	during func()
}

func (s *gateStore) Put(block []byte) (int64, error) {
	s.during()
	return s.mapStore.Put(block)
}

// account adds up what is drawn from it.
type account struct {
	mu       sync.Mutex
	bytes    int
	negative bool
}

func (a *account) Draw(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += bytes
	a.negative = a.negative || a.bytes < 0
}

func (a *account) balance() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}
