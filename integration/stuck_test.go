package integration_test

import (
	"context"
	"os"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// heapBytes is what live objects take, after a collection.
func heapBytes() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// TestStuckIntake has the intake answer nothing for a while, with many uploads
// waiting, whose clients would send more: memory does not grow with the time,
// and all complete when it is back. It runs by itself, as it measures the heap.
//
//nolint:paralleltest // see above
func TestStuckIntake(t *testing.T) {
	uploads, scopesEach, stuck := count(50, 500), count(10, 40), 2*time.Second
	if long() {
		stuck = time.Minute
	}
	if text := os.Getenv("SCOPEGATE_STUCK"); text != "" {
		asked, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SCOPEGATE_STUCK: %v", err)
		}
		uploads, scopesEach, stuck = 2000, 40, asked
	}
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Fault: gate.Fault, Configure: func(cfg *server.Config) {
		cfg.FlushThresholdBytes = 0
		cfg.Intake.PostTimeout = 10 * time.Second
		cfg.Intake.BatchDeadline = 0
	}})
	conns := make([]*grpc.ClientConn, 8)
	for i := range conns {
		conns[i] = bed.Connect(t)
	}
	go func() { // those that the server gives up are of no interest
		for {
			select {
			case <-gate.Entered:
			case <-gate.BrokenOff:
			case <-t.Context().Done():
				return
			}
		}
	}()
	before := heapBytes()
	ctx, cancel := context.WithTimeout(t.Context(), stuck+5*time.Minute)
	defer cancel()
	var counts tally
	var running sync.WaitGroup
	for i := range uploads {
		running.Go(func() {
			deliver := testbed.Resuming{Conn: conns[i%len(conns)]}.Pull
			journey, err := testbed.Deliver(ctx, bed.Intake, deliver, testbed.NewSource(uint64(i)).Functions(scopesEach))
			if err != nil {
				t.Errorf("upload %d: %v", i, err)
				return
			}
			counts.add(journey, bed.Intake, 0)
		})
	}
	wait.Equal(t, "all uploads to have begun", func() float64 { return values(t, bed.Server.Metrics)["scopegate_uploads_in_flight"] }, float64(uploads))
	<-time.After(stuck / 4)
	early := heapBytes()
	most := early
	for range 3 {
		<-time.After(stuck / 4)
		most = max(most, heapBytes())
	}
	posts := len(bed.Intake.Posts())
	back := time.Now()
	gate.Open()
	running.Wait()
	const mebibyte = 1 << 20
	t.Logf("stuck intake: %d uploads waited %v; heap %.1f MiB before, %.1f MiB a quarter in, at most %.1f MiB later "+
		"(clients and intake included); %d requests meanwhile; all done %v after it was back; %v",
		uploads, stuck, float64(before)/mebibyte, float64(early)/mebibyte, float64(most)/mebibyte,
		posts, time.Since(back).Round(time.Millisecond), &counts)
	if most > early+early/4+4*mebibyte {
		t.Errorf("the heap grew from %d to %d bytes, want at most %v", early, most, early+early/4+4*mebibyte)
	}
}
