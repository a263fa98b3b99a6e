package mirror_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/mirror"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// account counts what is drawn.
type account struct{ held, most atomic.Int64 }

func (a *account) Draw(bytes int) {
	held := a.held.Add(int64(bytes))
	for most := a.most.Load(); held > most && !a.most.CompareAndSwap(most, held); {
		most = a.most.Load()
	}
}

// client is an intake's, as a function.
type client func(ctx context.Context, from intake.Caller, b *batch.Batch) error

func (c client) Forward(ctx context.Context, from intake.Caller, b *batch.Batch) error {
	return c(ctx, from, b)
}

func (client) Close() {}

// tally counts outcomes.
type tally struct {
	mu     sync.Mutex
	counts map[mirror.Outcome]int // 0: outcomes that don't go with their errors
}

func (t *tally) count(o mirror.Outcome, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[mirror.Outcome]int)
	}
	t.counts[o]++
	if (o == mirror.Accepted) != (err == nil) {
		t.counts[0]++
	}
}

func (t *tally) require(tb testing.TB, accepted, refused, dropped int) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts[mirror.Accepted] != accepted || t.counts[mirror.Refused] != refused ||
		t.counts[mirror.Dropped] != dropped || t.counts[0] != 0 {
		tb.Errorf("%v, want %d accepted, %d refused, %d dropped", t.counts, accepted, refused, dropped)
	}
}

const fileBytes = 100 << 10

// noise returns a batch with a file of a little more than fileBytes.
func noise(tb testing.TB, drawn encode.Account, num int32) *batch.Batch {
	tb.Helper()
	settings := encode.DefaultSettings()
	settings.Level = 1
	pool, err := encode.NewPool(settings)
	if err != nil {
		tb.Fatal(err)
	}
	member := pool.NewMember(drawn)
	if _, err := io.CopyN(member, rand.NewChaCha8([32]byte{byte(num)}), fileBytes); err != nil {
		tb.Fatal(err)
	}
	return &batch.Batch{Header: &batch.Header{Service: "shop"}, Num: num, File: member.Finish().File(nil, nil)}
}

func hang(ctx context.Context, _ intake.Caller, _ *batch.Batch) error {
	<-ctx.Done()
	return ctx.Err()
}

func accept(context.Context, intake.Caller, *batch.Batch) error { return nil }

// TestBounds has an intake that hangs hold no more, and for no longer, than it
// may, and another one get all.
func TestBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const offered, room = 20, 4
		var drawn, upload account
		var hanging, taking tally
		m := mirror.New(mirror.Config{QueueBytes: room*fileBytes + fileBytes/2, MaxAge: time.Minute}, &drawn, []mirror.Intake{
			{Client: client(hang), Count: hanging.count}, {Client: client(accept), Count: taking.count},
		})
		for i := range offered {
			m.Offer(intake.Caller{}, noise(t, &upload, int32(i)))
			synctest.Wait()
		}
		taking.require(t, offered, 0, 0)
		hanging.require(t, 0, 0, offered-room)
		if upload.held.Load() != 0 {
			t.Errorf("%d bytes are still the upload's, want 0", upload.held.Load())
		}
		if most := drawn.most.Load(); most < room*fileBytes || most > (room+2)*(fileBytes+2*encode.SegmentBytes) {
			t.Errorf("%d bytes were held at most, want about those of %d batches", most, room)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		hanging.require(t, 0, 0, offered)
		if drawn.held.Load() != 0 {
			t.Errorf("%d bytes are held after the time for it, want 0", drawn.held.Load())
		}
		m.Offer(intake.Caller{}, noise(t, &upload, 0)) // there is room again
		m.Close(ended(t))
		hanging.require(t, 0, 0, offered+1)
	})
}

// ended returns a context that has ended.
func ended(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		client                     client
		accepted, refused, dropped int
	}{
		"accepted": {client: accept, accepted: 1},
		"unavailable": {client: func(context.Context, intake.Caller, *batch.Batch) error {
			return &intake.Error{HTTPStatus: http.StatusServiceUnavailable}
		}, dropped: 1},
		"refused": {client: func(context.Context, intake.Caller, *batch.Batch) error {
			return &intake.Error{HTTPStatus: http.StatusForbidden}
		}, refused: 1},
		"too large": {client: func(context.Context, intake.Caller, *batch.Batch) error {
			return &intake.Error{HTTPStatus: http.StatusRequestEntityTooLarge}
		}, refused: 1},
		"panic":      {client: func(context.Context, intake.Caller, *batch.Batch) error { panic("test") }, dropped: 1},
		"other":      {client: func(context.Context, intake.Caller, *batch.Batch) error { return errors.New("test") }, dropped: 1},
		"for whom":   {client: sentBy, accepted: 1},
		"same bytes": {client: readWhole, accepted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var drawn account
			var got tally
			m := mirror.New(mirror.Config{QueueBytes: 1 << 20, MaxAge: time.Minute}, &drawn,
				[]mirror.Intake{{Client: test.client, Count: got.count}})
			m.Offer(intake.Caller{Name: "tenant", AdditionalTags: "a:b"}, noise(t, nil, 7))
			m.Close(t.Context())
			got.require(t, test.accepted, test.refused, test.dropped)
			if drawn.held.Load() != 0 {
				t.Errorf("%d bytes are held, want 0", drawn.held.Load())
			}
		})
	}
}

func sentBy(_ context.Context, from intake.Caller, _ *batch.Batch) error {
	if from != (intake.Caller{Name: "tenant", AdditionalTags: "a:b"}) {
		return errors.New("another caller")
	}
	return nil
}

func readWhole(_ context.Context, _ intake.Caller, b *batch.Batch) error {
	n, err := io.Copy(io.Discard, b.File.NewReader())
	if err != nil || n != int64(b.File.Len()) || n < fileBytes {
		return errors.New("not the whole file")
	}
	return nil
}

// store is a spool of a map.
type store struct {
	mu     sync.Mutex
	blocks map[int64][]byte
	last   int64
}

func (s *store) Put(block []byte) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.blocks[s.last] = append([]byte(nil), block...)
	return s.last, nil
}

func (s *store) ReadAt(b []byte, id int64, offset int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	copy(b, s.blocks[id][offset:])
	return nil
}

func (s *store) Free(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blocks, id)
}

// TestSqueeze has what waits be moved out of memory, or dropped where there is no
// other place.
func TestSqueeze(t *testing.T) {
	t.Parallel()
	for name, spool := range map[string]*store{"to a store": {blocks: map[int64][]byte{}}, "away": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const offered = mirror.Workers + 3
			var drawn account
			var got tally
			entered, open := make(chan struct{}, offered), make(chan struct{})
			m := mirror.New(mirror.Config{QueueBytes: 10 << 20, MaxAge: time.Hour}, &drawn, []mirror.Intake{{
				Count: got.count,
				Client: client(func(ctx context.Context, from intake.Caller, b *batch.Batch) error {
					entered <- struct{}{}
					<-open
					return readWhole(ctx, from, b)
				}),
			}})
			for i := range mirror.Workers {
				m.Offer(intake.Caller{}, noise(t, nil, int32(i)))
			}
			for range mirror.Workers {
				<-entered
			}
			busy := drawn.held.Load()
			for i := range offered - mirror.Workers {
				m.Offer(intake.Caller{}, noise(t, nil, int32(i)))
			}
			accepted := mirror.Workers
			if spool != nil {
				m.Squeeze(spool)
				accepted = offered
			} else {
				m.Squeeze(nil)
			}
			if held := drawn.held.Load(); held != busy {
				t.Errorf("%d bytes are held, want %d, those of what is on its way", held, busy)
			}
			close(open)
			m.Close(t.Context())
			got.require(t, accepted, 0, offered-accepted)
			if spool != nil && len(spool.blocks) != 0 {
				t.Errorf("%d blocks are left in the store", len(spool.blocks))
			}
			if drawn.held.Load() != 0 {
				t.Errorf("%d bytes are held, want 0", drawn.held.Load())
			}
		})
	}
}

// TestCloseDrains has what waits still be forwarded, for as long as there is time.
func TestCloseDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var drawn account
		var slow, hanging tally
		m := mirror.New(mirror.Config{QueueBytes: 10 << 20, MaxAge: time.Hour}, &drawn, []mirror.Intake{
			{Count: slow.count, Client: client(func(context.Context, intake.Caller, *batch.Batch) error {
				<-time.After(time.Second)
				return nil
			})},
			{Count: hanging.count, Client: client(hang)},
		})
		const offered = 6
		for i := range offered {
			m.Offer(intake.Caller{}, noise(t, nil, int32(i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		m.Close(ctx)
		slow.require(t, offered, 0, 0)
		hanging.require(t, 0, 0, offered)
		if drawn.held.Load() != 0 {
			t.Errorf("%d bytes are held, want 0", drawn.held.Load())
		}
	})
}

// TestRealClient has a mirror of an HTTP intake.
func TestRealClient(t *testing.T) {
	t.Parallel()
	var posted atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		posted.Add(n)
	}))
	defer server.Close()
	to, err := intake.New(intake.Config{URL: server.URL, PostTimeout: time.Minute, MaxConnections: mirror.Workers})
	if err != nil {
		t.Fatal(err)
	}
	var drawn account
	var got tally
	m := mirror.New(mirror.Config{QueueBytes: 10 << 20, MaxAge: time.Minute}, &drawn, []mirror.Intake{{Client: to, Count: got.count}})
	for i := range 5 {
		m.Offer(intake.Caller{}, noise(t, nil, int32(i)))
	}
	m.Close(t.Context())
	got.require(t, 5, 0, 0)
	if posted.Load() < 5*fileBytes {
		t.Errorf("%d bytes were posted, want at least %v", posted.Load(), 5*fileBytes)
	}
}

// closing is a client whose batches end with its connections alone.
type closing struct{ closed chan struct{} }

func (c closing) Forward(context.Context, intake.Caller, *batch.Batch) error {
	<-c.closed
	return errors.New("closed")
}

func (c closing) Close() { close(c.closed) }

// TestCloseEndsWhatHangs has a batch hang that does not heed its context.
func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var drawn account
		var hanging tally
		m := mirror.New(mirror.Config{QueueBytes: 1 << 20, MaxAge: time.Minute}, &drawn, []mirror.Intake{
			{Client: closing{make(chan struct{})}, Count: hanging.count},
		})
		m.Offer(intake.Caller{}, noise(t, nil, 1))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.Close(ctx)
		hanging.require(t, 0, 0, 1)
	})
}
