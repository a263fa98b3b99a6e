package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/admin"
)

// visitor reads events that a handler writes into a pipe.
type visitor struct {
	header http.Header
	status int
	lines  *bufio.Scanner
	out    *io.PipeWriter
	in     *io.PipeReader
	cancel context.CancelFunc
	ended  chan struct{}
}

func (v *visitor) Header() http.Header         { return v.header }
func (v *visitor) WriteHeader(status int)      { v.status = status }
func (v *visitor) Write(b []byte) (int, error) { return v.out.Write(b) }
func (v *visitor) Flush()                      {}

func visit(t *testing.T, p *admin.Page) *visitor {
	t.Helper()
	in, out := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	v := &visitor{header: http.Header{}, lines: bufio.NewScanner(in), out: out, in: in, cancel: cancel, ended: make(chan struct{})}
	v.lines.Buffer(nil, 1<<20)
	go func() {
		defer close(v.ended)
		p.ServeHTTP(v, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
		_ = out.Close()
	}()
	return v
}

// next returns the fragments of the next event, nil for a comment.
func (v *visitor) next(t *testing.T) map[string]string {
	t.Helper()
	if !v.lines.Scan() {
		t.Fatal("no event")
	}
	line := v.lines.Text()
	v.lines.Scan() // the empty line behind it
	data, ok := strings.CutPrefix(line, "data: ")
	if !ok {
		if !strings.HasPrefix(line, ":") {
			t.Fatalf("neither data nor a comment: %q", line)
		}
		return nil
	}
	var fragments map[string]string
	if err := json.Unmarshal([]byte(data), &fragments); err != nil {
		t.Fatal(err)
	}
	return fragments
}

func (v *visitor) leave() {
	v.cancel()
	_ = v.in.Close()
	<-v.ended
}

func TestEventsCarryWhatHasChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var current atomic.Pointer[admin.Snapshot]
		s := well()
		current.Store(&s)
		p := admin.NewPage(func() admin.Snapshot { return *current.Load() })
		v := visit(t, p)
		first := v.next(t)
		if got := v.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("content type %q, want %q", got, "text/event-stream")
		}
		page := serve(t, p, http.MethodGet, "/").Body.String()
		if strings.Count(page, "data-live=") != len(first) {
			t.Errorf("%d fragments at first, %d in the page, want %v", len(first), strings.Count(page, "data-live="), len(first))
		}
		for name, html := range first {
			wellFormed(t, "<div>"+html+"</div>")
			if !strings.Contains(page, `data-live="`+name+`"`) || !strings.Contains(page, html) {
				t.Errorf("the page has no %s as in the event", name)
			}
		}
		begin := time.Now()
		refusing := well()
		refusing.Memory.Refusing = true
		current.Store(&refusing)
		changed := v.next(t)
		if !strings.Contains(changed["problems"], "Memory is full") || changed["uploads"] != "" {
			t.Errorf("changed: %v, want %q in it and none", changed, "Memory is full")
		}
		if took := time.Since(begin); took != admin.Refresh {
			t.Errorf("after %v, want %v", took, admin.Refresh)
		}
		// While nothing changes there is a sign of life nevertheless.
		begin = time.Now()
		if again := v.next(t); again != nil {
			t.Errorf("again: %v", again)
		}
		if took := time.Since(begin); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("a sign of life after %v, want at least %v and at most %v", took, 10*time.Second, 20*time.Second)
		}
		v.leave()
	})
}

func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := admin.NewPage(well)
		var visitors []*visitor
		for range admin.MaxListeners {
			v := visit(t, p)
			v.next(t)
			visitors = append(visitors, v)
		}
		resp := serve(t, p, http.MethodGet, "/events")
		if resp.Code != http.StatusServiceUnavailable || resp.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d", resp.Code)
		}
		if resp := serve(t, p, http.MethodGet, "/"); resp.Code != http.StatusOK {
			t.Errorf("the page itself: %d, want %v", resp.Code, http.StatusOK)
		}
		visitors[0].leave()
		another := visit(t, p)
		another.next(t)
		another.leave()
		for _, v := range visitors[1:] {
			v.leave()
		}
	})
}

func TestCloseEndsEvents(t *testing.T) {
	t.Parallel()
	p := admin.NewPage(well)
	server := httptest.NewServer(p)
	defer server.Close()
	resp, err := server.Client().Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("the stream did not end in order: %v", err)
	}
	if resp := serve(t, p, http.MethodGet, "/events"); resp.Code != http.StatusServiceUnavailable {
		t.Errorf("after that: %d, want %v", resp.Code, http.StatusServiceUnavailable)
	}
	if resp := serve(t, p, http.MethodGet, "/"); resp.Code != http.StatusOK {
		t.Errorf("the page: %d, want %v", resp.Code, http.StatusOK)
	}
}

// stuck is a visitor whose connection takes nothing any more.
type stuck struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(deadline time.Time) error {
	s.deadline = deadline
	return nil
}

func (s *stuck) Write([]byte) (int, error) {
	<-time.After(time.Until(s.deadline))
	return 0, errors.New("write: i/o timeout")
}

func TestStuckListenerIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := admin.NewPage(well)
		begin := time.Now()
		p.ServeHTTP(&stuck{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil))
		if took := time.Since(begin); took <= 0 || took > time.Minute {
			t.Errorf("after %v, want a minute at most", took)
		}
	})
}
