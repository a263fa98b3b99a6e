package selfupload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
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
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/client/selfupload"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// BenchmarkThroughputLost measures how much of its throughput a busy HTTP service loses
// while it uploads symbols: those of cmd/gofmt, or of the file SCOPEGATE_SELFUPLOAD. Each
// iteration is a pair of equal times, one with an upload from its beginning to its end and
// one without. Clients, service and a server that reads the upload share all cores. It
// reports the median of the pairs' losses; run it with some -benchtime=15x.
// SCOPEGATE_CPUSHARE sets another share than the default.
func BenchmarkThroughputLost(b *testing.B) {
	path := os.Getenv("SCOPEGATE_SELFUPLOAD")
	if path == "" {
		path = filepath.Join(b.TempDir(), "gofmt")
		if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", path, "cmd/gofmt").CombinedOutput(); err != nil {
			b.Fatalf("go build: %v\n%s", err, out)
		}
	}
	options := []selfupload.Option{
		selfupload.WithExecutable(path), selfupload.WithMaxDelay(0), selfupload.WithSymbols(gosym.WithInclude("all")),
	}
	if share := os.Getenv("SCOPEGATE_CPUSHARE"); share != "" {
		value, err := strconv.ParseFloat(share, 64)
		if err != nil {
			b.Fatal(err)
		}
		options = append(options, selfupload.WithCPUShare(value))
	}
	address := startSink(b)
	served := startLoad(b)
	upload := func() {
		u, err := selfupload.Start(b.Context(), address, options...)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := u.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	// rate returns the requests per second while do runs.
	rate := func(do func()) (float64, time.Duration) {
		before, began := served.Load(), time.Now()
		do()
		took := time.Since(began)
		return float64(served.Load()-before) / took.Seconds(), took
	}
	_, took := rate(upload) // warms up, too
	var lost, seconds, rates []float64
	for i := 0; b.Loop(); i++ {
		var with, without float64
		measure := []func(){
			func() { with, took = rate(upload) },
			func() { without, _ = rate(func() { <-time.After(took) }) },
		}
		if i%2 == 1 {
			slices.Reverse(measure)
		}
		for _, one := range measure {
			one()
		}
		b.Logf("%6.0f requests/s without, %6.0f with an upload of %.1f s: %+.2f %% lost", without, with, took.Seconds(), 100*(1-with/without))
		lost, seconds, rates = append(lost, 100*(1-with/without)), append(seconds, took.Seconds()), append(rates, without)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(lost), "%lost")
	b.ReportMetric(median(seconds), "s/upload")
	b.ReportMetric(median(rates), "requests/s")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
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
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	sink := grpc.NewServer(grpc.ForceServerCodec(dropping{}))
	symdbv1.RegisterSymbolDatabaseServiceServer(sink, sinkService{})
	done := make(chan error, 1)
	go func() { done <- sink.Serve(l) }()
	b.Cleanup(func() {
		sink.Stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	return l.Addr().String()
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
