package intake_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// The client tells how many batches are being posted and how many wait, and what
// connections it has.
func TestState(t *testing.T) {
	t.Parallel()
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	}))
	defer server.Close()
	client := newClient(t, intake.Config{URL: server.URL, PostTimeout: time.Minute, MaxConnections: 1})
	if got := client.State(); got != (intake.State{Health: intake.Up, MaxConnections: 1}) {
		t.Errorf("before: %+v", got)
	}
	var all sync.WaitGroup
	for n := range int64(2) {
		all.Go(func() {
			if err := client.Forward(t.Context(), newBatch(n+1)); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	for client.State().Waiting == 0 {
		<-time.After(time.Millisecond)
	}
	want := intake.State{Health: intake.Up, Connections: 1, MaxConnections: 1, Posting: 1, Waiting: 1}
	if got := client.State(); got != want {
		t.Errorf("while one waits: %+v, want %+v", got, want)
	}
	answer <- struct{}{}
	<-arrived
	answer <- struct{}{}
	all.Wait()
	if got := client.State(); got.Posting != 0 || got.Waiting != 0 {
		t.Errorf("at the end: %+v", got)
	}
	client.Close()
	deadline := time.Now().Add(time.Minute)
	for client.State().Connections != 0 && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	if n := client.State().Connections; n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

// An intake that fails, or asks to be left alone, is told so.
func TestHealth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		retryAfter string
		want       intake.Health
	}{{"60", intake.Throttled}, {"", intake.Down}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if test.retryAfter != "" {
				w.Header().Set("Retry-After", test.retryAfter)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		retry := intake.DefaultRetry()
		retry.BreakerFailureThreshold, retry.BreakerDelay = 1, time.Hour
		client := newClient(t, intake.Config{
			URL: server.URL, PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: retry,
		})
		if err := client.Forward(t.Context(), newBatch(1)); err == nil {
			t.Error("accepted")
		}
		if got := client.State().Health; got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
		server.Close()
	}
}

// Every end of an attempt that the client can tell is one of those that are known
// beforehand.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	known := intake.Outcomes()
	for status := 101; status < 600; status++ {
		class := intake.ClassOf(status)
		if !slices.ContainsFunc(known[class], func(s int) bool { return s/100 == status/100 }) {
			t.Errorf("status %d is %s, which is known with %v", status, class, known[class])
		}
	}
}
