package client_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// backend stands for servers and their intake, with faults drawn from a seed. It cuts
// streams without single_batch into different batches each time, like servers of different
// versions.
type backend struct {
	t              *testing.T
	maxBatchScopes int

	mu         sync.Mutex
	rng        *rand.Rand
	faultCount int // faults still to come
	batches    map[batchKey]batchContent
	conns      map[net.Conn]bool
	faults     map[fault]int // faults so far
}

type batchKey struct {
	id  string
	num int32
}

type batchContent struct {
	names  string
	final  bool
	scopes []string
}

// fault is a way in which a stream fails.
type fault int

const (
	noFault fault = iota
	overloaded
	endKnown      // the server ends the stream and reports its progress
	endUnknown    // it reports no progress
	kill          // the connection breaks
	lateKnown     // the intake fails at a batch
	lateUnknown   // and the server reports no progress
	answerLost    // the batch is accepted, and the stream fails
	answerKilled  // the batch is accepted, and the connection breaks
	proxyFailure  // a proxy fails, with its own code
	lastFaultKind = proxyFailure
)

func newBackend(t *testing.T, seed uint64) *backend {
	t.Helper()
	return &backend{
		t: t, maxBatchScopes: 1000, rng: rand.New(rand.NewPCG(seed, 1)),
		batches: map[batchKey]batchContent{}, conns: map[net.Conn]bool{}, faults: make(map[fault]int),
	}
}

// serve returns a further address of the backend.
func (b *backend) serve() string {
	b.t.Helper()
	listener := listen(b.t)
	serveOn(b.t, killableListener{listener, b}, b.handle)
	return listener.Addr().String()
}

type killableListener struct {
	net.Listener

	b *backend
}

func (l killableListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.b.mu.Lock()
		l.b.conns[conn] = true
		l.b.mu.Unlock()
	}
	return conn, err
}

// killAll breaks all connections. The caller holds mu.
func (b *backend) killAll() {
	for conn := range b.conns {
		_ = conn.Close()
		delete(b.conns, conn)
	}
}

// draw draws the fault of a stream, the message before which it happens, and the length of
// its batches.
func (b *backend) draw() (kind fault, at, batchScopes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batchScopes = 1 + b.rng.IntN(6)
	if b.faultCount > 0 && b.rng.IntN(4) > 0 {
		b.faultCount--
		kind = fault(1 + b.rng.IntN(int(lastFaultKind)))
		at = b.rng.IntN(30)
		b.faults[kind]++
	}
	return kind, at, batchScopes
}

// serverSide is the server's side of a stream.
type serverSide struct {
	b             *backend
	md            *symdbv1.UploadMetadata
	num           int32
	open          []string
	openCount     int
	acceptedCount int
}

func (b *backend) handle(stream serverStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	kind, at, batchScopes := b.draw()
	s := &serverSide{b: b, md: first.GetMetadata(), num: max(1, first.GetMetadata().GetFirstBatchNum())}
	single := s.md.GetSingleBatch()
	count := 0
	for ; ; count++ {
		if kind < lateKnown && count == at {
			if err := s.fail(kind); err != nil {
				return err
			}
		}
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if strings.HasPrefix(request.GetScope().GetName(), "bad") {
			return failure(b.t, codes.InvalidArgument, reason("SCOPE_INVALID"), violations(fmt.Sprintf("scope[%d].name", count)))
		}
		if !single && s.openCount >= batchScopes {
			faulty := noFault
			if at -= batchScopes; at < 0 {
				faulty = kind
			}
			if err := s.take(false, faulty); err != nil {
				return err
			}
		}
		s.open = append(s.open, leaves(request.GetScope())...)
		s.openCount++
	}
	switch {
	case count == 0:
		return failure(b.t, codes.InvalidArgument, reason("STREAM_INVALID"))
	case single && count > b.maxBatchScopes:
		return failure(b.t, codes.InvalidArgument, reason("BATCH_TOO_LARGE"))
	}
	if err := s.fail(kind); kind < lateKnown && err != nil {
		return err
	}
	if err := s.take(!s.md.GetMoreFollows(), kind); err != nil {
		return err
	}
	return stream.SendAndClose(&symdbv1.UploadScopesResponse{
		UploadId: s.md.GetUploadId(), ScopeCount: int64(s.acceptedCount), BatchCount: s.num - max(1, s.md.GetFirstBatchNum()),
	})
}

// fail returns the status of a fault, if there is one.
func (s *serverSide) fail(kind fault) error {
	details := []protoadapt.MessageV1{retryAfter(time.Millisecond)}
	known := append(slices.Clone(details), progress(s.md.GetUploadId(), int64(s.acceptedCount), s.num))
	switch kind {
	case overloaded:
		return failure(s.b.t, codes.ResourceExhausted, append(known, reason("OVERLOADED"))...)
	case endKnown, lateKnown:
		return failure(s.b.t, codes.Unavailable, append(known, reason("SHUTTING_DOWN"))...)
	case endUnknown, lateUnknown, answerLost:
		return failure(s.b.t, codes.Unavailable, append(details, reason("INTAKE_TIMEOUT"))...)
	case kill, answerKilled:
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		s.b.killAll()
		return status.Error(codes.Unavailable, "never arrives")
	case proxyFailure:
		return status.Error(codes.Internal, "stream terminated by RST_STREAM")
	case noFault:
	}
	return nil
}

// take accepts the open scopes as a batch, or fails before or after that.
func (s *serverSide) take(final bool, kind fault) error {
	if kind != answerLost && kind != answerKilled {
		if err := s.fail(kind); kind >= lateKnown && err != nil {
			return err
		}
	}
	key := batchKey{s.md.GetUploadId(), s.num}
	content := batchContent{names: strings.Join(s.open, " "), final: final, scopes: s.open}
	s.b.mu.Lock()
	if before, ok := s.b.batches[key]; ok && (before.names != content.names || before.final != final) {
		s.b.t.Errorf("batch %v has two contents:\n%s (final %t)\n%s (final %t)", key, before.names, before.final, content.names, final)
	}
	s.b.batches[key] = content
	s.b.mu.Unlock()
	if kind == answerLost || kind == answerKilled {
		return s.fail(kind)
	}
	s.num++
	s.acceptedCount += s.openCount
	s.open, s.openCount = nil, 0
	return nil
}

// leaves names the scopes of a tree that have no children, with their roots.
func leaves(scope *symdbv1.Scope) []string {
	if len(scope.GetScopes()) == 0 {
		return []string{scope.GetName()}
	}
	var names []string
	for _, child := range scope.GetScopes() {
		names = append(names, scope.GetName()+"/"+child.GetName())
	}
	return names
}

// checkWhole checks that the upload is complete and has each scope once, and also each
// other upload with a final batch, such as one that lost its last answer.
func (b *backend) checkWhole(id string, want []string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	want = slices.Sorted(slices.Values(want))
	ids := []string{id}
	for key, content := range b.batches {
		if content.final && key.id != id {
			ids = append(ids, key.id)
		}
	}
	for _, id := range ids {
		if got := b.upload(id); !slices.Equal(got, want) {
			b.t.Errorf("%d scopes arrived under %s, want %d:\n%v\n%v", len(got), id, len(want), got, want)
		}
	}
}

// upload returns the scopes of an upload's batches up to its only final one. The
// caller holds mu.
func (b *backend) upload(id string) []string {
	b.t.Helper()
	var names []string
	for num := int32(1); ; num++ {
		content, ok := b.batches[batchKey{id, num}]
		if !ok {
			b.t.Fatalf("batch %d of %s is missing, and none before is final", num, id)
		}
		names = append(names, content.scopes...)
		if content.final {
			if _, ok := b.batches[batchKey{id, num + 1}]; ok {
				b.t.Errorf("batch %d of %s follows the final one", num+1, id)
			}
			slices.Sort(names)
			return names
		}
	}
}
