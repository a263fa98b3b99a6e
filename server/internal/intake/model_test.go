package intake_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/secret"
)

// model is an intake without a network, for tests in a bubble. It answers each
// request as answer says.
type model struct {
	// latency is how long an answer takes.
	latency time.Duration
	answer  func(nth int) reply

	mu         sync.Mutex
	times      []time.Time
	requestIDs map[string]bool
	contents   map[[sha256.Size]byte]bool
}

var errHung = errors.New("no answer, ever")

func (m *model) RoundTrip(req *http.Request) (*http.Response, error) {
	defer req.Body.Close()
	m.mu.Lock()
	nth := len(m.times)
	m.times = append(m.times, time.Now())
	m.mu.Unlock()
	said := m.answer(nth)
	if !errors.Is(said.err, errRefused) {
		httptrace.ContextClientTrace(req.Context()).GotConn(httptrace.GotConnInfo{Conn: unreadConn{}})
		if err := m.read(req); err != nil {
			return nil, err
		}
	}
	if err := m.wait(req.Context(), errors.Is(said.err, errHung)); err != nil {
		return nil, err
	}
	if said.err != nil {
		return nil, said.err
	}
	return &http.Response{StatusCode: said.status, Header: said.header, Body: io.NopCloser(strings.NewReader("because"))}, nil
}

func (m *model) wait(ctx context.Context, hangs bool) error {
	var latency <-chan time.Time
	switch {
	case hangs:
	case m.latency == 0:
		return nil
	default:
		latency = time.After(m.latency)
	}
	select {
	case <-latency:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *model) read(req *http.Request) error {
	digest := sha256.New()
	_, _ = io.WriteString(digest, req.Header.Get("Content-Type"))
	if _, err := io.Copy(digest, req.Body); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.contents == nil {
		m.contents, m.requestIDs = make(map[[sha256.Size]byte]bool), make(map[string]bool)
	}
	m.contents[[sha256.Size]byte(digest.Sum(nil))] = true
	m.requestIDs[req.Header.Get("DD-REQUEST-ID")] = true
	return nil
}

func (m *model) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.times)
}

type unreadConn struct{ net.Conn }

// errRefused is what dialling a port brings that no one listens at.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// reply is what a request brings.
type reply struct {
	status int
	header http.Header
	err    error
}

func status(code int) reply { return reply{status: code} }

func later(code int, retryAfter string) reply {
	return reply{status: code, header: http.Header{"Retry-After": {retryAfter}}}
}

func failing(err error) reply { return reply{err: err} }

// scripted answers the nth request with the nth status, 0 being a connection
// refused, and all further ones with the last.
func scripted(codes ...int) func(int) reply {
	return func(nth int) reply {
		code := codes[min(nth, len(codes)-1)]
		if code == 0 {
			return failing(errRefused)
		}
		return status(code)
	}
}

func modelClient(t *testing.T, m *model, change func(*intake.Config), options ...intake.Option) *intake.Client {
	t.Helper()
	cfg := intake.Config{URL: "http://intake.test/in?secret=1", APIKey: secret.New("key-of-secrets"), PostTimeout: 30 * time.Second}
	if change != nil {
		change(&cfg)
	}
	client := newClient(t, cfg, options...)
	client.SetTransport(m)
	return client
}

// failure returns what Forward fails with.
func failure(t *testing.T, client *intake.Client, ctx context.Context) *intake.Error { //nolint:revive // t comes first
	t.Helper()
	err := client.Forward(ctx, intake.Caller{}, smallBatch())
	failed, ok := errors.AsType[*intake.Error](err)
	if !ok {
		t.Fatalf("Forward returned %v", err)
	}
	if failed.BatchNum != 7 {
		t.Errorf("error is of batch %d, want 7", failed.BatchNum)
	}
	return failed
}
