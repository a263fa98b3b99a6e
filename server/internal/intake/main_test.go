package intake_test

import (
	"io"
	"log"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// largeBytes is more than the socket buffers on the way take.
const largeBytes = 12 << 20

var (
	smallBatch = sync.OnceValue(func() *batch.Batch { return newBatch(100) })
	largeBatch = sync.OnceValue(func() *batch.Batch { return newBatch(largeBytes) })
)

// newBatch returns batch 7 of an upload, with a file of n bytes or a little more.
func newBatch(n int64) *batch.Batch {
	settings := encode.DefaultSettings()
	settings.Level = 1
	pool, err := encode.NewPool(settings)
	if err != nil {
		panic(err)
	}
	member := pool.NewMember(nil)
	noise := rand.NewChaCha8([32]byte{1})
	if _, err := io.CopyN(member, noise, n); err != nil {
		panic(err)
	}
	return &batch.Batch{
		Header:     &batch.Header{Service: "shop", Version: new("1"), Language: "go", UploadID: "8f0c2a34-5d5e-4b65-93a7-0f4a3f5f1c11"},
		Num:        7,
		ScopeCount: 1,
		RawBytes:   n,
		File:       member.Finish().File(nil, nil),
	}
}

// forwardMany forwards a batch that many times at once. What it returns is done when
// all have ended; those that are not accepted fail the test.
func forwardMany(t *testing.T, client *intake.Client, count int, b *batch.Batch) *sync.WaitGroup {
	t.Helper()
	var forwarding sync.WaitGroup
	for range count {
		forwarding.Go(func() {
			if err := client.Forward(t.Context(), intake.Caller{}, b); err != nil {
				t.Error(err)
			}
		})
	}
	return &forwarding
}

// quick has pauses that a test can wait for.
func quick() intake.Retry {
	return intake.Retry{
		MinBackoff:              time.Millisecond,
		MaxBackoff:              10 * time.Millisecond,
		MaxRetryAfter:           20 * time.Millisecond,
		BreakerFailureThreshold: 100,
		ProbeDelay:              10 * time.Millisecond,
	}
}

// attempts collects what OnAttempt is told.
type attempts struct {
	mu   sync.Mutex
	list []intake.Attempt
	// then is called after each, if set.
	then func(intake.Attempt)
}

func (a *attempts) add(attempt intake.Attempt) {
	a.mu.Lock()
	a.list = append(a.list, attempt)
	a.mu.Unlock()
	if a.then != nil {
		a.then(attempt)
	}
}

func (a *attempts) all() []intake.Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]intake.Attempt(nil), a.list...)
}

func newClient(t *testing.T, cfg intake.Config, options ...intake.Option) *intake.Client {
	t.Helper()
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 16
	}
	client, err := intake.New(cfg, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
