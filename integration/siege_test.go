package integration_test

import (
	"fmt"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// What a hostile client may make the server hold, beside what it has sent.
const (
	// streamBytes is an open stream's own: the stacks of two goroutines, gRPC's
	// handler and ours, of 4 to 8 KiB each; gRPC's stream, and our upload with its
	// delivery, clock and channels. This client's account of it is in it as well.
	streamBytes = 32 << 10
	// openBatchBytes is what a stream adds that has a scope in its batch: JSON in a
	// buffer of 4 KiB, that a scope of these tests may double twice.
	openBatchBytes = 16 << 10
	// windowBytes is the receive window of a stream: what the server takes without
	// reading it.
	windowBytes = 64 << 10
	// connBytes is a connection's own: gRPC's buffers of 32 KiB for reading and
	// for writing, this client's of 16 and 4 KiB, and the tables of HPACK.
	connBytes = 96 << 10
	// queuedFrames is how many answers to frames gRPC lets queue for a client that
	// does not read, before it stops reading that client (grpc-go's
	// ControlBufferThrottleLimit), and queuedBytes what one takes.
	queuedFrames, queuedBytes = 10_000, 256
	// restBytes is what else is there or not, whatever the client does: a second
	// compressor (1.3 MiB), what packs a good upload that was quiet on a busy machine
	// (0.6 MiB), buffers in pools, batches of good uploads at the intake, the end of
	// the server's log.
	restBytes = 4 << 20
	// restGoroutines are those of the connections between server and intake.
	restGoroutines = 32
	// streamGoroutines are those of a stream whose batch does not travel.
	streamGoroutines = 2
	// connGoroutines are gRPC's three of a connection, and this client's one.
	connGoroutines = 4
	// goneBytes is what the Go runtime keeps of a goroutine that has ended, for the
	// next one.
	goneBytes = 1 << 10
)

// siege is a server under attack, and what it held before. Tests that lay one
// don't run in parallel, as they measure the heap.
type siege struct {
	*testbed.Bed
	before usage
	ran    int // the most goroutines that were measured
}

func besiege(t *testing.T, o testbed.Options) *siege {
	t.Helper()
	s := &siege{Bed: testbed.New(t, o)}
	requireServing(t, s.Bed)
	s.before = measure()
	return s
}

// dial returns a connection of the hostile client.
func (s *siege) dial(t *testing.T) *rawh2.Conn {
	t.Helper()
	return rawh2.Dial(t, s.Server.Target())
}

// during attacks while good uploads come and are checked, one after the other and
// on the good client's own connection, and then one more.
func (s *siege) during(t *testing.T, attack func()) {
	t.Helper()
	const goodUploads = 5
	var good sync.WaitGroup
	good.Go(func() {
		for range goodUploads {
			if err := s.uploadGood(t); err != nil {
				t.Errorf("a good client, meanwhile: %v", err)
				return
			}
		}
	})
	defer good.Wait()
	attack()
	good.Wait()
	requireServing(t, s.Bed)
}

func (s *siege) uploadGood(t *testing.T) error {
	t.Helper()
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(98).Functions(2)
	summary, err := testbed.Upload(testbed.Context(t), s.Client, metadata, scopes)
	if err != nil {
		return err
	}
	batches, err := s.Intake.Verify(summary.GetUploadId(), metadata, scopes)
	if err != nil {
		return err
	}
	return testbed.VerifySummary(summary, batches)
}

// requireWithin fails the test if the server holds more than that beside what it
// held before.
func (s *siege) requireWithin(t *testing.T, bytes, goroutines int) {
	t.Helper()
	now := measure()
	s.ran = max(s.ran, now.goroutines)
	t.Logf("under attack: %v more than %v; allowed: %v", now.minus(s.before), s.before,
		usage{bytes + restBytes, goroutines + restGoroutines})
	if more := now.minus(s.before); more.bytes > bytes+restBytes || more.goroutines > goroutines+restGoroutines {
		t.Errorf("the server holds %v more than before, allowed is %v", more,
			usage{bytes + restBytes, goroutines + restGoroutines})
	}
}

// lift closes the hostile connections and waits until the server has let go of
// all that it held for them.
func (s *siege) lift(t *testing.T, conns ...*rawh2.Conn) {
	t.Helper()
	for _, conn := range conns {
		conn.Close()
	}
	allowed := restBytes + s.ran*goneBytes
	wait.Until(t, "the server to let go of what it held for the attack", func() usage { return measure().minus(s.before) },
		func(more usage) bool { return more.bytes <= allowed && more.goroutines <= restGoroutines })
	requireServing(t, s.Bed)
}

// usage is what this process holds: server, clients and intake.
type usage struct {
	bytes, goroutines int
}

// measure returns what is held: the objects that a collection has found to be
// live, and stacks. It takes two collections to empty pools.
func measure() usage {
	runtime.GC()
	runtime.GC()
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	metrics.Read(samples)
	return usage{
		bytes:      int(samples[0].Value.Uint64() + samples[1].Value.Uint64()),
		goroutines: int(samples[2].Value.Uint64()),
	}
}

func (u usage) minus(other usage) usage {
	return usage{u.bytes - other.bytes, u.goroutines - other.goroutines}
}

func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB and %d goroutines", float64(u.bytes)/(1<<20), u.goroutines)
}

// narrow has a listener's connections keep little of what is written to them, so
// that it does not take much for a client that reads nothing to hold the server
// up.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		err = tcp.SetWriteBuffer(narrowBytes)
	}
	return conn, err
}

const narrowBytes = 16 << 10

// only applies the fault to what is of that service, and accepts all else.
func only(service string, fault testbed.Fault) testbed.Fault {
	return func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		if post.Service == service {
			fault(w, r, post, accept)
			return
		}
		accept(w, r)
	}
}
