//go:build unix

package selfupload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
)

// window is how long the benchmark measures at a time.
const window = 250 * time.Millisecond

// BenchmarkThroughputLost measures how much of its throughput a busy HTTP service loses
// while it uploads symbols: those of cmd/gofmt, or of the file SCOPEGATE_SELFUPLOAD, again
// and again. Each iteration is a pair of times, one with the upload going on and one with
// it standing still. Clients, service and a server that reads the upload share all cores,
// in one process. It counts requests per second of CPU time, so that other processes
// disturb it little, and reports the median of the pairs' losses: run it with some
// -benchtime=300x. SCOPEGATE_CPUSHARE sets another share than the default.
func BenchmarkThroughputLost(b *testing.B) {
	options := []Option{WithExecutable(binaryToRead(b)), WithSymbols(gosym.WithInclude("all"))}
	if share := os.Getenv("SCOPEGATE_CPUSHARE"); share != "" {
		value, err := strconv.ParseFloat(share, 64)
		if err != nil {
			b.Fatal(err)
		}
		options = append(options, WithCPUShare(value))
	}
	s, err := newSettings(options)
	if err != nil {
		b.Fatal(err)
	}
	s.addr = startSink(b)
	served := startLoad(b)
	var gate sync.Mutex // held while the upload stands still
	gate.Lock()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			pace := newPacer(ctx, s.cpuShare)
			if _, err := s.upload(ctx, func() error {
				if !gate.TryLock() {
					gate.Lock()
					pace.last = time.Now() // standing still is no work
				}
				gate.Unlock()
				return pace.pass()
			}); err != nil && ctx.Err() == nil {
				b.Error(err)
				return
			}
		}
	}()
	// rate returns the requests per second of CPU time in a window.
	rate := func() float64 {
		before, cpu := served.Load(), cpuTime(b)
		<-time.After(window)
		return float64(served.Load()-before) / (cpuTime(b) - cpu).Seconds()
	}
	with := func() float64 {
		gate.Unlock()
		defer gate.Lock()
		return rate()
	}
	with() // warms up
	var lost, rates []float64
	for i := 0; b.Loop(); i++ {
		var on, off float64
		if i%2 == 0 {
			on, off = with(), rate()
		} else {
			off, on = rate(), with()
		}
		lost, rates = append(lost, 100*(1-on/off)), append(rates, off)
	}
	cancel()
	gate.Unlock()
	<-ended
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(s.cpuShare, "cores")
	b.ReportMetric(quantile(lost, 0.5), "%lost")
	b.ReportMetric(quantile(lost, 0.25), "%lost-p25")
	b.ReportMetric(quantile(lost, 0.75), "%lost-p75")
	b.ReportMetric(quantile(rates, 0.5), "requests/CPU-s")
}

// binaryToRead returns the path of a binary with symbols.
func binaryToRead(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("SCOPEGATE_SELFUPLOAD"); path != "" {
		return path
	}
	path := filepath.Join(b.TempDir(), "gofmt")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", path, "cmd/gofmt").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[int(q*float64(len(values)-1))]
}

// cpuTime returns the CPU time of the process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// startLoad runs a service and as many clients as keep all cores busy. It returns the count
// of answers.
func startLoad(b *testing.B) *atomic.Int64 {
	b.Helper()
	type item struct {
		Name  string
		Price float64
		Tags  []string
	}
	cache := make([][]item, 4096) // a heap for the garbage collector
	var mu sync.Mutex
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var cart []item
		if err := json.NewDecoder(r.Body).Decode(&cart); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		cache[int(cart[0].Price)%len(cache)] = cart
		mu.Unlock()
		_ = json.NewEncoder(w).Encode(cart)
	}))
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	stop, answers := make(chan struct{}), new(atomic.Int64)
	var clients sync.WaitGroup
	for n := range 4 * runtime.GOMAXPROCS(0) {
		clients.Go(func() {
			cart := make([]item, 20)
			for i := n; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				for j := range cart {
					cart[j] = item{Name: "item " + strconv.Itoa(i+j), Price: float64(i * 7), Tags: []string{"new", "blue"}}
				}
				body, err := json.Marshal(cart)
				if err != nil {
					b.Error(err)
					return
				}
				response, err := (&http.Client{Transport: transport}).Post(web.URL, "application/json", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				answers.Add(1)
			}
		})
	}
	b.Cleanup(func() {
		close(stop)
		clients.Wait()
		transport.CloseIdleConnections()
		web.Close()
	})
	return answers
}

// startSink starts a server that reads uploads and drops them. It decodes nothing, because
// a real one runs elsewhere.
func startSink(b *testing.B) (address string) {
	b.Helper()
	sink := grpc.NewServer(grpc.ForceServerCodec(dropping{}))
	symdbv1.RegisterSymbolDatabaseServiceServer(sink, sinkService{})
	return grpctest.Serve(b, sink)
}

type sinkService struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
}

func (sinkService) UploadScopes(stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse]) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(&symdbv1.UploadScopesResponse{})
		} else if err != nil {
			return err
		}
	}
}

// dropping is a codec that drops what it receives.
type dropping struct{}

func (dropping) Marshal(v any) ([]byte, error) {
	message, ok := v.(proto.Message)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return proto.Marshal(message)
}
func (dropping) Unmarshal([]byte, any) error { return nil }
func (dropping) Name() string                { return "proto" }
