package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/internal/load"
	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// payload returns one of three scopes.
func payload(t *testing.T) load.Payload {
	t.Helper()
	var scopes []*symdbv1.UploadScopesRequest
	for _, name := range []string{"a", "b < c", "d"} {
		scopes = append(scopes, &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{
			Scope: &symdbv1.Scope{ScopeType: "package", Name: &name},
		}})
	}
	p, err := load.NewPayload(scopes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func startIntake(t *testing.T, opts load.IntakeOptions) *load.Intake {
	t.Helper()
	in, err := load.StartIntake(t.Context(), opts, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.End(); err != nil {
			t.Error(err)
		}
	})
	return in
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// TestDelivery: an intake tells how many uploads it has whole, whether it answers at
// once, slowly, or not for a while.
func TestDelivery(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]load.IntakeOptions{
		"at once": {},
		"slow":    {Delay: 30 * time.Millisecond},
		"out":     {Outage: 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := startIntake(t, opts)
			cfg := server.DefaultConfig()
			cfg.Intake.URL = in.URL
			srv, err := server.New(cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			listener := listen(t)
			var serving sync.WaitGroup
			serving.Go(func() { _ = srv.Serve(listener) })
			defer serving.Wait()
			defer func() { _ = srv.Shutdown(t.Context()) }()

			sent := payload(t)
			seen, err := load.Run(t.Context(), load.Plan{Uploads: 6, AtOnce: 3, Connections: 2}, sent, listener.Addr().String())
			if err != nil || len(seen.Failures) > 0 || len(seen.Latencies) != 6 {
				t.Fatalf("%+v, %v, want no Failures and 6 Latencies", seen, err)
			}
			d := in.Delivered(sent, sent.JSONBytes)
			if d.WholeCount != 6 || d.Flaw != "" || d.PeakConnections < 1 || d.PeakConnections > 6 {
				t.Errorf("%+v, want WholeCount 6, no Flaw, PeakConnections at least 1 and PeakConnections at most 6", d)
			}
			if (d.TurnedAwayCount > 0) != (opts.Outage > 0) {
				t.Errorf("%d POSTs met the outage, want some if there is one: %v", d.TurnedAwayCount, opts.Outage)
			}
			// Six uploads, three at a time, wait for two answers one after the other.
			took := d.LastAccepted.Sub(seen.Began)
			if took < 2*opts.Delay || took < opts.Outage || took > seen.Took || seen.SentAfter > seen.Took {
				t.Errorf("accepted after %v, sent after %v, took %v, want at least %v, at least %v, at most %v and SentAfter at most %v", took, seen.SentAfter, seen.Took, 2*opts.Delay, opts.Outage, seen.Took, seen.Took)
			}
			if other := in.Delivered(sent, sent.JSONBytes+1000); other.WholeCount != 0 || other.Flaw == "" {
				t.Errorf("another length: %+v", other)
			}
		})
	}
}

// scripted is a service that answers as it is told, and counts open streams.
type scripted struct {
	symdbv1.UnimplementedSymbolDatabaseServiceServer

	mu sync.Mutex
	// answers are given one after the other, then always success.
	answers  []error
	received int
	open     int
	// expected is how many messages are to come until all is closed. Nil: it is
	// not.
	expected int
	all      chan struct{}
}

func (s *scripted) UploadScopes(
	stream grpc.ClientStreamingServer[symdbv1.UploadScopesRequest, symdbv1.UploadScopesResponse],
) error {
	s.add(&s.open, 1)
	defer s.add(&s.open, -1)
	for {
		if _, err := stream.Recv(); err != nil {
			break
		}
		s.receive()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) > 0 {
		answer := s.answers[0]
		s.answers = s.answers[1:]
		return answer
	}
	return stream.SendAndClose(&symdbv1.UploadScopesResponse{})
}

func (s *scripted) add(count *int, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*count += n
}

func (s *scripted) receive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	if s.all != nil && s.received == s.expected {
		close(s.all)
	}
}

func (s *scripted) counts() (open, received int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open, s.received
}

func (s *scripted) serve(t *testing.T) (address string) {
	t.Helper()
	srv := grpc.NewServer()
	symdbv1.RegisterSymbolDatabaseServiceServer(srv, s)
	return grpctest.Serve(t, srv)
}

// TestRunRepeats: an upload is made again where the server asks for that, and else
// not.
func TestRunRepeats(t *testing.T) {
	t.Parallel()
	busy, err := status.New(codes.ResourceExhausted, "busy").WithDetails(
		&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	sent := payload(t)
	s := &scripted{answers: []error{busy.Err(), status.Error(codes.Internal, "broken"), busy.Err(), busy.Err()}}
	seen, err := load.Run(t.Context(), load.Plan{Uploads: 4, AtOnce: 1, Connections: 1}, sent, s.serve(t))
	if err != nil {
		t.Fatal(err)
	}
	if seen.RetryCount != 3 || len(seen.Failures) != 1 || len(seen.Latencies) != 4 {
		t.Errorf("%+v, want RetryCount 3, 1 Failures and 4 Latencies", seen)
	}
	if _, received := s.counts(); received != 7*len(sent.Messages) {
		t.Errorf("%d messages came, want %d", received, 7*len(sent.Messages))
	}
}

// TestRunHolds: all uploads are open, with all of their messages sent, while they
// are held.
func TestRunHolds(t *testing.T) {
	t.Parallel()
	sent := payload(t)
	s := &scripted{expected: 20 * len(sent.Messages), all: make(chan struct{})}
	var stages []string
	plan := load.Plan{
		Uploads: 20, AtOnce: 2, Connections: 4, Settle: 10 * time.Millisecond, Hold: 10 * time.Millisecond,
		OnSettled: func() error {
			stages = append(stages, "settled")
			return nil
		},
		OnHeld: func() error {
			stages = append(stages, "held")
			select {
			case <-s.all:
			case <-t.Context().Done():
			}
			if open, received := s.counts(); open != 20 || received != s.expected {
				t.Errorf("%d streams are open, %d messages came, want open 20 and received %v", open, received, s.expected)
			}
			return nil
		},
	}
	seen, err := load.Run(t.Context(), plan, sent, s.serve(t))
	if err != nil || len(seen.Failures) > 0 || len(seen.Latencies) != 20 {
		t.Fatalf("%+v, %v, want no Failures and 20 Latencies", seen, err)
	}
	if !slices.Equal(stages, []string{"settled", "held"}) {
		t.Errorf("stages: %v, want settled, held", stages)
	}
	if seen.Took < plan.Settle+plan.Hold || seen.SentAfter > seen.Took-plan.Settle-plan.Hold {
		t.Errorf("took %v, sent after %v, want Took at least %v and SentAfter at most %v", seen.Took, seen.SentAfter, plan.Settle+plan.Hold, seen.Took-plan.Settle-plan.Hold)
	}
}

// TestRunEnds: a run whose context ends, ends.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	plan := load.Plan{Uploads: 3, AtOnce: 3, Connections: 1, Hold: time.Hour}
	settled := plan
	settled.Settle = time.Millisecond
	settled.OnSettled = func() error {
		cancel()
		return nil
	}
	if seen, err := load.Run(ctx, settled, payload(t), (&scripted{}).serve(t)); err == nil {
		t.Errorf("%+v, want an error", seen)
	}
}

// The forms of a payload say the same.
func TestForms(t *testing.T) {
	t.Parallel()
	p := payload(t)
	anyOrder, err := p.InAnyOrder()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "requests")
	if err := p.WriteJSONFile(path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var inJSON []json.RawMessage
	if err := json.Unmarshal(content, &inJSON); err != nil || len(inJSON) != len(p.Messages) {
		t.Fatalf("%d messages in JSON, error %v, want %d", len(inJSON), err, len(p.Messages))
	}
	for i, message := range p.Messages {
		var want, reordered, fromJSON symdbv1.UploadScopesRequest
		err := errors.Join(proto.Unmarshal(message, &want), proto.Unmarshal(anyOrder.Messages[i], &reordered),
			protojson.Unmarshal(inJSON[i], &fromJSON))
		if err != nil || !proto.Equal(&want, &reordered) || !proto.Equal(&want, &fromJSON) {
			t.Errorf("error %v: %v and %v, want %v", err, &reordered, &fromJSON, &want)
		}
	}
}
