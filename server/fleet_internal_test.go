package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// A fleet is processes that start together and upload their symbols through a few servers
// to one intake. All of it is real, except the clock and the network: connections are in
// memory, and time passes only when everything waits.
type fleet struct {
	uploads, servers int
	// rate is how many batches a second the intake takes.
	rate int
	// starting is how long it takes until all processes have started.
	starting time.Duration
	// serverUploads is how many uploads a server takes at once: so many that they keep the
	// intake busy for longer than a client waits before it comes back.
	serverUploads int
}

// bufferBytes is the buffer of a connection, in each direction.
const bufferBytes = 64 << 10

// serveIntake serves an intake that takes one batch at a time. It returns how to connect.
func (f fleet) serveIntake(t *testing.T) dialFunc {
	t.Helper()
	turn := make(chan struct{}, 1)
	web := &http.Server{ReadHeaderTimeout: time.Hour, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		turn <- struct{}{}
		<-time.After(time.Second / time.Duration(f.rate))
		<-turn
	})}
	listener := bufconn.Listen(bufferBytes)
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	t.Cleanup(func() {
		_ = web.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve the intake: %v", err)
		}
	})
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
}

// serveReplica serves a server, and returns a client of it.
func (f fleet) serveReplica(t *testing.T, toIntake dialFunc, onRetry func(client.RetryEvent)) *client.Client {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Intake.URL = "http://intake.example.com/symdb/v1/input"
	cfg.Limits.Uploads = f.serverUploads
	cfg.Limits.MemoryBytes = 4 << 30
	cfg.Limits.StreamsPerConnection = f.uploads
	s, err := New(cfg, slog.New(slog.DiscardHandler), func(c *collaborators) { c.dial = toIntake })
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(bufferBytes)
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:replica",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(conn, client.WithOnRetry(onRetry))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := errors.Join(c.Close(), conn.Close(), s.Shutdown(context.WithoutCancel(t.Context())), <-served)
		if err != nil {
			t.Errorf("stop a replica: %v", err)
		}
	})
	return c
}

// outcome is what a fleet saw.
type outcome struct {
	took []time.Duration // of each upload, sorted
	all  time.Duration   // until all uploads were whole
	// refused is how many attempts were refused in each second.
	refused []int
}

// percentile returns how long percent of the uploads took at most.
func (o outcome) percentile(percent int) time.Duration { return o.took[len(o.took)*percent/100-1] }

// refusals counts refused attempts by the second.
type refusals struct {
	began time.Time

	mu       sync.Mutex
	inSecond []int
}

func (r *refusals) add(client.RetryEvent) {
	second := int(time.Since(r.began) / time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.inSecond) <= second {
		r.inSecond = append(r.inSecond, 0)
	}
	r.inSecond[second]++
}

func (f fleet) run(t *testing.T) outcome {
	t.Helper()
	refused := refusals{began: time.Now()}
	toIntake := f.serveIntake(t)
	replicas := make([]*client.Client, f.servers)
	for i := range replicas {
		replicas[i] = f.serveReplica(t, toIntake, refused.add)
	}
	random := rand.New(rand.NewPCG(1, 2)) // #nosec G404 -- it must be predictable
	scope := &symdbv1.Scope{ScopeType: "FILE", Name: new("shop.py")}
	seen := outcome{took: make([]time.Duration, f.uploads)}
	var running sync.WaitGroup
	for i := range seen.took {
		start := time.Duration(random.Int64N(int64(f.starting)))
		running.Go(func() {
			<-time.After(start)
			metadata := client.Metadata{Service: "shop-" + strconv.Itoa(i%50), Language: "python"}
			asked := time.Now()
			if err := uploadOne(t.Context(), replicas[i%len(replicas)], metadata, scope); err != nil {
				t.Errorf("upload %d: %v", i, err)
			}
			seen.took[i] = time.Since(asked)
		})
	}
	running.Wait()
	seen.all, seen.refused = time.Since(refused.began), refused.inSecond
	slices.Sort(seen.took)
	return seen
}

func uploadOne(ctx context.Context, c *client.Client, metadata client.Metadata, scope *symdbv1.Scope) error {
	uploader, err := c.NewUploader(ctx, metadata)
	if err != nil {
		return err
	}
	if err := uploader.Add(ctx, scope); err != nil {
		return err
	}
	_, err = uploader.Close(ctx)
	return err
}

// TestFleet has a fleet start at once that sends more than the intake takes. The intake
// should never be idle until all uploads are whole, and refused uploads should come back
// spread over time.
func TestFleet(t *testing.T) {
	t.Parallel()
	f := fleet{uploads: 500, servers: 3, rate: 5, starting: 5 * time.Second, serverUploads: 80}
	if text := os.Getenv("SCOPEGATE_FLEET"); text != "" {
		uploads, err := strconv.Atoi(text)
		if err != nil || uploads < 500 {
			t.Fatalf("SCOPEGATE_FLEET is %q, want a number of at least 500", text)
		}
		f = fleet{uploads: uploads, servers: 3, rate: uploads / 500, starting: time.Minute, serverUploads: uploads / 15}
	}
	synctest.Test(t, func(t *testing.T) {
		seen := f.run(t)
		least := time.Duration(f.uploads) * time.Second / time.Duration(f.rate)
		refused, busiest := 0, 0
		for second, count := range seen.refused {
			refused += count
			if time.Duration(second)*time.Second > f.starting {
				busiest = max(busiest, count)
			}
		}
		t.Logf("%d uploads through %d servers to an intake that takes %d batches a second: whole after %v (at best %v), "+
			"p50 %v, p99 %v, longest %v; %d attempts refused, at most %d in a second after the start",
			f.uploads, f.servers, f.rate, seen.all.Round(time.Second), least, seen.percentile(50).Round(time.Second),
			seen.percentile(99).Round(time.Second), seen.percentile(100).Round(time.Second), refused, busiest)
		if most := least + least/20; seen.all > most {
			t.Errorf("all uploads are whole after %v, want at most %v: the intake was idle meanwhile", seen.all, most)
		}
		// If they came back together, a second would see nearly all of those refused.
		if most := f.uploads / 2; busiest > most {
			t.Errorf("%d attempts are refused in one second, want at most %d", busiest, most)
		}
		if refused < f.uploads/2 {
			t.Errorf("%d attempts were refused, want at least half of the uploads to meet a full server", refused)
		}
	})
}
