package interop_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// batchDeadline is when a server gives up a batch, where it shall, as the intake is
// down for downTime.
const (
	batchDeadline = 3 * time.Second // long enough for a busy machine to post a batch
	downTime      = 3 * batchDeadline
)

// The server gives up a batch, and tells how far the stream came.
func goesOn(t *testing.T, p *producer) {
	t.Helper()
	var downSince time.Time
	down := func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		if post.BatchNum == 3 { // one batch travels at a time
			if downSince.IsZero() {
				downSince = time.Now()
			}
			if time.Since(downSince) < downTime {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		}
		accept(w, r)
	}
	bed := newBed(t, down, "--flush-threshold", "16KiB", "--batch-deadline", batchDeadline.String())
	path := writeReplay(t, fewScopes)
	result := p.start(t, bed.server.Address, "--replay", path).mustSucceed(t)
	if result.Streams < 2 {
		t.Errorf("%d streams: nothing was gone on with", result.Streams)
	}
	if uploads := bed.intake.Store.Uploads(); len(uploads) != 1 {
		t.Errorf("%d uploads at the intake: it started over, want 1", len(uploads))
	}
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

// The server is stopped in the middle, and refuses connections until it is started again.
func goesOnAfterRestart(t *testing.T, p *producer) {
	t.Helper()
	const refusedTime = 2 * time.Second
	var restarted atomic.Bool
	stuck := make(chan testbed.Post, 1)
	down := func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		if post.BatchNum < 3 || restarted.Load() {
			accept(w, r)
			return
		}
		select {
		case stuck <- post:
		default:
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	intake := testbed.StartIntake(t, down)
	start := func(address string) *bed {
		args := []string{"--flush-threshold", "16KiB", "--shutdown-grace", "100ms"}
		return &bed{intake: intake, server: testbed.StartProcess(t, intake.URL(), address, args...)}
	}
	bed := start(testbed.ReserveAddress(t))
	path := writeReplay(t, fewScopes)
	r := p.start(t, bed.server.Address, "--replay", path)
	first := await(t, r, stuck, "its third batch")
	_ = bed.server.Terminate() // it has an upload in flight
	<-time.After(refusedTime)
	restarted.Store(true)
	bed = start(bed.server.Address)
	result := r.mustSucceed(t)
	if result.UploadID != first.UploadID {
		t.Errorf("upload %s was left for %s, although its progress was known", first.UploadID, result.UploadID)
	}
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

// The connection breaks, and nobody tells how far the stream came.
func startsOver(t *testing.T, p *producer) {
	t.Helper()
	gate := testbed.NewGate()
	bed := newBed(t, gate.Fault, "--flush-threshold", "16KiB")
	proxy := testbed.NewProxy(t, bed.server.Address)
	path := writeReplay(t, fewScopes)
	r := p.start(t, proxy.Address(), "--replay", path)
	first := await(t, r, gate.Entered, "its first batch")
	proxy.Cut()
	if err := proxy.Mend(); err != nil {
		t.Fatal(err)
	}
	gate.Open()
	result := r.mustSucceed(t)
	if result.UploadID == first.UploadID {
		t.Errorf("upload %s resumed, although its progress was unknown", first.UploadID)
	}
	bed.intake.RequireNoFinal(t, first.UploadID)
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

// overloaded refuses the first stream for a while as if it had not read the metadata, and
// counts the scopes of others.
type overloaded struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	delay     time.Duration
	refused   time.Time
	waited    time.Duration
	uploadIDs []string // one for each stream
}

func (o *overloaded) UploadScopes(
	stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse],
) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	o.uploadIDs = append(o.uploadIDs, request.GetMetadata().GetUploadId())
	if o.refused.IsZero() {
		o.refused = time.Now()
		st, err := status.New(codes.ResourceExhausted, "no memory is left").WithDetails(
			&errdetails.ErrorInfo{Reason: "OVERLOADED", Domain: "scopegate"},
			&errdetails.RetryInfo{RetryDelay: durationpb.New(o.delay)}, &symdbv1.UploadProgress{NextBatchNum: 1})
		if err != nil {
			return err
		}
		return st.Err()
	}
	o.waited = time.Since(o.refused)
	summary := &symdbv1.UploadScopesResponse{}
	for {
		request, err := stream.Recv()
		if err != nil {
			return stream.SendAndClose(summary)
		}
		if request.GetScope() != nil {
			summary.ScopeCount++
		}
	}
}

func waitsForTheOverloaded(t *testing.T, p *producer) {
	t.Helper()
	t.Run("until there is room", func(t *testing.T) { waitsUntilThereIsRoom(t, p) })
	t.Run("unless its deadline comes first", func(t *testing.T) {
		const deadline = 5 * time.Minute
		address, _ := (&overloaded{delay: 2 * deadline}).serve(t)
		r := p.start(t, address, "--replay", writeReplay(t, 10), "--deadline", strconv.Itoa(int(deadline.Seconds())))
		r.mustFail(t, result{Status: "RESOURCE_EXHAUSTED", Reason: "OVERLOADED"})
	})
}

func waitsUntilThereIsRoom(t *testing.T, p *producer) {
	t.Helper()
	o := &overloaded{delay: 400 * time.Millisecond}
	address, stop := o.serve(t)
	result := p.start(t, address, "--replay", writeReplay(t, 10)).mustSucceed(t)
	stop() // what o holds can be read now
	if result.Accepted != 10 || result.Streams != 2 {
		t.Errorf("%+v, want 10 scopes in the second stream", *result)
	}
	if o.waited < o.delay {
		t.Errorf("it tried again after %v, want at least %v", o.waited, o.delay)
	}
	if ids := slices.Compact(o.uploadIDs); len(ids) != 1 {
		t.Errorf("uploads %v, want one: the server had not read the first stream", ids)
	}
}

func (o *overloaded) serve(t *testing.T) (address string, stop func()) {
	t.Helper()
	server := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(server, o)
	return grpctest.Serve(t, server), server.Stop
}

// A scope is refused while there are many more to send.
func seesTheEarlyEnd(t *testing.T, p *producer) {
	t.Helper()
	bed := newBed(t, nil)
	const ordinal = 500
	spoiled := []string{`{"scope_type":"MODULE","name":"spoiled","start_line":0,"end_line":0,` +
		`"symbols":[{"name":"x","type":null,"symbol_type":""}]}`}
	more := strings.Repeat("\n"+`{"scope_type":"MODULE","name":"more","start_line":0,"end_line":0}`, 200_000)[1:]
	path := writeReplay(t, ordinal, append(spoiled, more)...)
	got := p.start(t, bed.server.Address, "--replay", path).mustFail(t, result{
		Status: "INVALID_ARGUMENT", Reason: "SCOPE_INVALID", Field: "scope[" + strconv.Itoa(ordinal) + "].symbols[0].symbol_type",
	})
	if got.Messages > 150_000 {
		t.Errorf("%d messages: it went on after the end, want at most 150000", got.Messages)
	}
	bed.intake.RequireNoFinal(t, got.UploadID)
}

// answered ends a stream with OK after its first scope, with or without a summary.
type answered struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer
	summary *symdbv1.UploadScopesResponse
}

func (a answered) UploadScopes(
	stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse],
) error {
	for range 2 { // the metadata and a scope
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
	if a.summary == nil {
		return nil
	}
	return stream.SendAndClose(a.summary)
}

// A server that is broken answers OK while there are many more scopes to send.
func seesTheEarlyAnswer(t *testing.T, p *producer) {
	t.Helper()
	path := writeReplay(t, replayScopes)
	for name, summary := range map[string]*symdbv1.UploadScopesResponse{"whole": {ScopeCount: 1}, "empty": nil} {
		t.Run(name, func(t *testing.T) {
			server := grpc.NewServer()
			symdbv1.RegisterSymbolDatabaseServiceServer(server, answered{summary: summary})
			got := p.start(t, grpctest.Serve(t, server), "--replay", path, "--deadline", "10").wait(t)
			want := []string{"INTERNAL"}
			switch {
			case summary == nil:
				want = append(want, "UNIMPLEMENTED") // the library's own
			case p.language.name == "ruby":
				want = append(want, "DEADLINE_EXCEEDED") // the gem waits for the status behind a summary that it does not read
			}
			if !slices.Contains(want, got.Status) {
				t.Errorf("the upload ended with %+v, want %v", *got, want)
			}
		})
	}
}

func seesTooLarge(t *testing.T, p *producer) {
	t.Helper()
	bed := newBed(t, nil)
	for name, tt := range map[string]struct {
		bytes int
		want  result
	}{
		"for the server": {5 << 20, result{Status: "INVALID_ARGUMENT", Reason: "SCOPE_TOO_LARGE", Field: "scope[0]"}},
		"for a message":  {9 << 20, result{Status: "RESOURCE_EXHAUSTED", Reason: "SCOPE_TOO_LARGE"}},
	} {
		t.Run(name, func(t *testing.T) {
			huge := `{"scope_type":"MODULE","name":"` + strings.Repeat("x", tt.bytes) + `","start_line":0,"end_line":0}`
			p.start(t, bed.server.Address, "--replay", writeReplay(t, 0, huge)).mustFail(t, tt.want)
		})
	}
	if uploads := bed.intake.Store.Uploads(); len(uploads) > 0 {
		t.Errorf("%d uploads at the intake, want none", len(uploads))
	}
}

// The producer's own search for scopes fails in the middle.
func isCutShort(t *testing.T, p *producer) {
	t.Helper()
	bed := newBed(t, nil, "--flush-threshold", "16KiB")
	r := p.start(t, bed.server.Address, "--replay", writeReplay(t, replayScopes, `{"scope_type":`))
	r.mustFail(t, result{Status: "SOURCE_FAILED"})
	// What the server has taken for the end of an upload it finishes before it stops.
	if err := bed.server.Terminate(); err != nil {
		t.Errorf("server: %v", err)
	}
	uploads := bed.intake.Store.Uploads()
	if len(uploads) != 1 {
		t.Fatalf("%d uploads at the intake, want 1", len(uploads))
	}
	bed.intake.RequireNoFinal(t, uploads[0].UploadID)
}

func isCancelled(t *testing.T, p *producer) {
	t.Helper()
	bed := newBed(t, nil, "--flush-threshold", "16KiB")
	path := writeReplay(t, replayScopes)
	r := p.start(t, bed.server.Address, "--replay", path, "--cancel-after", strconv.Itoa(replayScopes/2))
	got := r.mustFail(t, result{Status: "CANCELLED"})
	bed.intake.RequireNoFinal(t, got.UploadID)
}

// It is cancelled while it waits to try again.
func isCancelledInBetween(t *testing.T, p *producer) {
	t.Helper()
	o := &overloaded{delay: time.Minute}
	address, stop := o.serve(t)
	r := p.start(t, address, "--replay", writeReplay(t, 10), "--cancel-at", "1")
	r.mustFail(t, result{Status: "CANCELLED"})
	stop() // what o holds can be read now
	if len(o.uploadIDs) > 1 {
		t.Errorf("%d streams: it tried again, want at most 1", len(o.uploadIDs))
	}
}

func keepsItsDeadline(t *testing.T, p *producer) {
	t.Helper()
	gate := testbed.NewGate()
	bed := newBed(t, gate.Fault, "--flush-threshold", "0")
	r := p.start(t, bed.server.Address, "--replay", writeReplay(t, fewScopes), "--deadline", "10")
	got := r.wait(t)
	if got.Status != "DEADLINE_EXCEEDED" {
		t.Errorf("the upload ended with %+v, want DEADLINE_EXCEEDED", *got)
	}
	if got.Seconds < 9.5 || got.Seconds > 25 {
		t.Errorf("it took %v s, the deadline was 10 s, want at least 9.5 and at most 25", got.Seconds)
	}
	bed.intake.RequireNoFinal(t, got.UploadID)
	select {
	case <-gate.Entered:
	default:
		t.Error("nothing came to the intake")
	}
}
