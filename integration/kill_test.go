package integration_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// fleet is the servers that a client knows, as they come and go.
type fleet struct {
	resolver *manual.Resolver
	conn     *grpc.ClientConn
}

func newFleet(t *testing.T, addresses ...string) *fleet {
	t.Helper()
	f := &fleet{resolver: manual.NewBuilderWithScheme("fleet")}
	f.resolver.InitialState(fleetState(addresses))
	conn, err := grpc.NewClient("fleet:///servers", grpc.WithResolvers(f.resolver),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f.conn = conn
	return f
}

func fleetState(addresses []string) resolver.State {
	var state resolver.State
	for _, address := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	return state
}

// are has the client know these servers, and no others, from now on.
func (f *fleet) are(addresses ...string) {
	f.resolver.UpdateState(fleetState(addresses))
}

// serveArguments has a process forward every scope by itself.
var serveArguments = []string{"--flush-threshold", "0", "--log-level", "warn"}

// killing kills the server at a point of an upload, once.
type killing struct {
	once sync.Once
	kill func()
}

func (k *killing) now() { k.once.Do(k.kill) }

// TestKill kills the server process at random points of an upload, in both
// forms. Another takes over, at the same address or at another one.
//
//nolint:tparallel // one process is killed after the other
func TestKill(t *testing.T) {
	t.Parallel()
	first, total := seed(t), count(6, 240)
	var counts tally
	byPoint := map[string]int{}
	for i := range total {
		random := rand.New(rand.NewPCG(first, uint64(i))) // #nosec G404 -- it shall be predictable
		t.Run(strconv.Itoa(i), func(t *testing.T) { byPoint[killOnce(t, random, i%2 == 0, &counts)]++ })
	}
	t.Logf("kill -9: %d points from seed %d (%v); %v", total, first, byPoint, &counts)
}

const killBatches = 8

func killOnce(t *testing.T, random *rand.Rand, pull bool, counts *tally) (point string) {
	t.Helper()
	var k killing
	at, where := 1+random.IntN(killBatches), random.IntN(4)
	points := []string{"before the body", "before it is taken", "before the answer", "while the client sends"}
	posts := 0
	var mu sync.Mutex
	trouble := testbed.Trouble{Do: func(_ *testbed.Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		mu.Lock()
		posts++
		mine := posts == at
		mu.Unlock()
		if !mine || where == 3 {
			serve(w, r)
			return
		}
		switch where {
		case 0:
			k.now()
			serve(w, r) // what the dead server had sent, if that is all of it, is taken
		case 1:
			_, _ = io.Copy(io.Discard, r.Body)
			k.now()
		default:
			answer := httptest.NewRecorder()
			serve(answer, r)
			k.now()
			w.WriteHeader(answer.Code)
		}
	}}
	door := testbed.NewDoor(t)
	intake := testbed.StartScriptedIntake(t, testbed.NewAlways(door, trouble), false)
	process := testbed.StartProcess(t, intake.URL(), testbed.ReserveAddress(t), serveArguments...)
	servers := newFleet(t, process.Address)
	sameAddress := random.IntN(2) == 0
	replaced := make(chan *testbed.Process, 1)
	ctx, cancel := context.WithCancel(testbed.Context(t))
	defer cancel()
	k.kill = func() {
		process.Kill()
		address := "127.0.0.1:0"
		if sameAddress {
			address = process.Address
		}
		next, err := testbed.TryStartProcess(t, intake.URL(), address, serveArguments...)
		if err != nil {
			t.Error(err)
			cancel()
			next = process
		}
		servers.are(next.Address)
		replaced <- next
	}
	delay := time.Duration(random.IntN(4000)) * time.Microsecond
	client := testbed.Resuming{Conn: servers.conn, Sent: func(count int) {
		if where == 3 && count == at-1 {
			<-time.After(delay) // any point of the time until the next message
			k.now()
		}
	}}
	metadata, source := testbed.NewMetadata(), testbed.NewSource(random.Uint64())
	scopes := source.Functions(killBatches)
	scopes[at-1] = source.Noise(16 << 10)
	form, deliver := "push", client.Push(1)
	if pull {
		form, deliver = "pull", client.Pull
	}
	journey, err := deliver(ctx, metadata, scopes)
	point = fmt.Sprintf("%s, %s", form, points[where])
	if err != nil {
		t.Errorf("%s: %v", point, err)
		return point
	}
	k.now() // where the point was not reached
	(<-replaced).Kill()
	intake.Stop()
	if err := intake.VerifyJourney(journey, metadata, scopes); err != nil {
		t.Errorf("%s: %v", point, err)
	}
	if !pull && len(journey.Abandoned) > 0 {
		t.Errorf("%s: started over under a new upload_id", point)
	}
	counts.add(journey, intake, 0)
	return point
}

// TestRollingRestart replaces the server several times while uploads run. The
// next one is there before the last one goes.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	uploads, replacements := count(10, 50), count(2, 5)
	slow := testbed.Trouble{Do: func(_ *testbed.Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
		<-time.After(10 * time.Millisecond)
		serve(w, r)
	}}
	intake := testbed.StartScriptedIntake(t, testbed.NewAlways(testbed.NewDoor(t), slow), false)
	arguments := append([]string{"--shutdown-grace", "100ms"}, serveArguments...)
	process := testbed.StartProcess(t, intake.URL(), "127.0.0.1:0", arguments...)
	servers := newFleet(t, process.Address)

	var counts tally
	var running sync.WaitGroup
	stop := make(chan struct{})
	begun := make(chan struct{}, uploads)
	for i := range uploads {
		running.Go(func() {
			// One upload follows the other until all servers were replaced.
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				client := testbed.Resuming{Conn: servers.conn}
				if n == 0 {
					client.Sent = func(count int) {
						if count == 10 {
							select {
							case begun <- struct{}{}:
							default:
							}
						}
					}
				}
				deliver := client.Push(5)
				if i%2 == 0 {
					deliver = client.Pull
				}
				scopes := testbed.NewSource(uint64(i*1000 + n)).Functions(20 + i)
				journey, err := testbed.Deliver(testbed.Context(t), intake, deliver, scopes)
				if err != nil {
					t.Errorf("upload %d: %v", i, err)
					return
				}
				for _, failure := range journey.Failures {
					if testbed.Progress(failure) == nil {
						t.Logf("upload %d: a stream failed without progress: %v", i, failure)
					}
				}
				counts.add(journey, intake, 0)
			}
		})
	}
	wait.Receive(t, begun, "uploads to run")
	for range replacements {
		next := testbed.StartProcess(t, intake.URL(), "127.0.0.1:0", arguments...)
		servers.are(next.Address)
		if err := process.Terminate(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		process = next
	}
	close(stop)
	running.Wait()
	t.Logf("rolling restart: %d uploads at a time, %d replacements; %v", uploads, replacements, &counts)
	if counts.restarts > 0 || counts.repeats > 0 {
		t.Errorf("%d uploads started over, %d batches arrived twice, want none", counts.restarts, counts.repeats)
	}
}
