package server

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// failingStore is a spool whose first reads fail.
type failingStore struct {
	mu       sync.Mutex
	blocks   [][]byte
	failures int
}

func (s *failingStore) Put(block []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks = append(s.blocks, append([]byte(nil), block...))
	return int64(len(s.blocks) - 1), nil
}

func (s *failingStore) ReadAt(b []byte, id int64, offset int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures > 0 {
		s.failures--
		return errors.New("the disk fails")
	}
	copy(b, s.blocks[id][offset:])
	return nil
}

func (*failingStore) Free(int64) {}

// TestAgedBatchIsTriedAgain has an aged batch be in a spool that can't be read for
// a while: it is forwarded when it can, though its client sends nothing more.
func TestAgedBatchIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := run(t)
	w := &watched{Server: r.Server, client: symdbv1.NewSymbolDatabaseServiceClient(dial(t, r.address))}
	stream := w.begin(t, "shop")
	send(t, stream, 2)
	u := r.service.uploads.list()[0]
	store := &failingStore{failures: 3}
	await(t, "the batch to be parked", func() bool {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.batches.Empty() {
			return false
		}
		u.age.limit = time.Millisecond
		if err := u.batches.Park(store); err != nil {
			t.Error(err)
		}
		return true
	})
	u.forwardAged()
	await(t, "the batch to be forwarded", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.postedBytes > 0
	})
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
	if log := r.log.String(); !strings.Contains(log, "spool failed") || !strings.Contains(log, "the disk fails") {
		t.Errorf("it is not logged:\n%s", log)
	}
}
