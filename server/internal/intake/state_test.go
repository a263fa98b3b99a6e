package intake_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// newHeldClient returns a client of an intake that sends on arrived for each POST, and answers it
// once it has received from answer.
func newHeldClient(t *testing.T, connections int) (client *intake.Client, arrived, answer chan struct{}) {
	t.Helper()
	arrived, answer = make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	}))
	t.Cleanup(server.Close)
	client = newClient(t, intake.Config{URL: server.URL, PostTimeout: time.Minute, MaxConnections: connections})
	return client, arrived, answer
}

// The state counts the batches that are being posted, those that wait, and connections.
func TestState(t *testing.T) {
	t.Parallel()
	client, arrived, answer := newHeldClient(t, 1)
	if got := client.State(); got != (intake.State{Health: intake.Up, MaxConnections: 1}) {
		t.Errorf("at the start: %+v, want an idle client", got)
	}
	var all sync.WaitGroup
	for n := range int64(2) {
		all.Go(func() {
			if err := client.Forward(t.Context(), intake.Caller{}, newBatch(n+1)); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	waiting := wait.Until(t, "one to wait", client.State, func(s intake.State) bool { return s.Waiting == 1 && s.Connections == 1 })
	first := waiting.SilentSince
	want := intake.State{Health: intake.Up, Connections: 1, MaxConnections: 1, Posting: 1, Waiting: 1, SilentSince: first}
	if waiting != want || first.IsZero() {
		t.Errorf("with one to wait: %+v, want %+v", waiting, want)
	}
	answer <- struct{}{}
	<-arrived
	if got := client.State().SilentSince; !got.After(first) {
		t.Errorf("after an answer: silent since %v, want after %v", got, first)
	}
	answer <- struct{}{}
	all.Wait()
	if got := client.State(); got.Posting != 0 || got.Waiting != 0 || !got.SilentSince.IsZero() {
		t.Errorf("at the end: %+v, want no batch", got)
	}
	client.Close()
	wait.Equal(t, "no connections after Close", func() int { return client.State().Connections }, 0)
}

// An answer to one batch ends the silence for the others that are being posted.
func TestSilence(t *testing.T) {
	t.Parallel()
	client, arrived, answer := newHeldClient(t, 2)
	var all sync.WaitGroup
	for n := range int64(2) {
		all.Go(func() {
			if err := client.Forward(t.Context(), intake.Caller{}, newBatch(n+1)); err != nil {
				t.Error(err)
			}
		})
		<-arrived
	}
	first := client.State().SilentSince
	answer <- struct{}{}
	one := wait.Until(t, "one answer", client.State, func(s intake.State) bool { return s.Posting == 1 })
	if first.IsZero() || !one.SilentSince.After(first) {
		t.Errorf("silent since %v, and after an answer since %v, want later", first, one.SilentSince)
	}
	answer <- struct{}{}
	all.Wait()
	client.Close()
}

// A Retry-After makes an intake throttled, failures without one make it down.
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
		retry.BreakerFailureThreshold, retry.ProbeDelay = 1, time.Hour
		client := newClient(t, intake.Config{
			URL: server.URL, PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: retry,
		})
		if err := client.Forward(t.Context(), intake.Caller{}, newBatch(1)); err == nil {
			t.Error("Forward returned nil, want an error")
		}
		if got := client.State().Health; got != test.want {
			t.Errorf("Retry-After %q: %s, want %s", test.retryAfter, got, test.want)
		}
		server.Close()
	}
}

// Outcomes contains every class with every kind of status.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	known := intake.Outcomes()
	for status := 101; status < 600; status++ {
		class := intake.ClassOf(status)
		if !slices.ContainsFunc(known[class], func(s int) bool { return s/100 == status/100 }) {
			t.Errorf("status %d is %s, want it among %v", status, class, known[class])
		}
	}
}

// The intake is down after enough consecutive failures, and up again with the first
// answer.
func TestStateDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(0, 0, 0, 200)}
		client := modelClient(t, m, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.BreakerFailureThreshold = 3
			c.Retry.ProbeDelay = time.Minute
		})
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("at the start: %+v, want up", got)
		}
		ended := make(chan error)
		go func() { ended <- client.Forward(t.Context(), intake.Caller{}, smallBatch()) }()
		<-time.After(10 * time.Second)
		got := client.State()
		if wait := time.Until(got.RetryAt); got.Health != intake.Down || wait <= 0 || wait > 75*time.Second {
			t.Errorf("after 3 failures: %+v, retry in %v, want down for up to 75 s", got, wait)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("after an answer: %+v, want up", got)
		}
	})
}

func TestStateThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := modelClient(t, &model{answer: func(int) reply { return later(503, "30") }}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		_ = failure(t, client, ctx)
		got := client.State()
		if wait := got.RetryAt.Sub(begin); got.Health != intake.Throttled || wait < 30*time.Second || wait > 31*time.Second {
			t.Errorf("after Retry-After: %+v, retry in %v, want throttled for 30 s", got, wait)
		}
		<-time.After(time.Minute)
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("a minute later: %+v, want up", got)
		}
	})
}

func TestAttemptReason(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		said reply
		want string
	}{
		"accepted":   {status(200), ""},
		"answered":   {status(403), "because"},
		"no answers": {failing(errRefused), "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var first *intake.Attempt
				client := modelClient(t, &model{answer: func(int) reply { return test.said }}, nil, intake.OnAttempt(func(a intake.Attempt) {
					if first == nil {
						first = &a
					}
					cancel()
				}))
				_ = client.Forward(ctx, intake.Caller{}, smallBatch())
				if first == nil || !strings.Contains(first.Reason, test.want) || (test.want == "") != (first.Reason == "") ||
					strings.Contains(first.Reason, "secret") {
					t.Errorf("%+v, want reason %q without secrets", first, test.want)
				}
			})
		})
	}
}

func TestHostContainsNoSecret(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://user:secret@intake.test:8443/path/secret?secret=1": "https://intake.test:8443",
		"http://intake.test/":                             "http://intake.test",
		"unix:///run/agent.socket:/symdb/v1/input?secret": "unix:///run/agent.socket",
	} {
		client, err := intake.New(intake.Config{URL: url, PostTimeout: time.Second, MaxConnections: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := client.Host(); got != want {
			t.Errorf("host of %q: %q, want %q", url, got, want)
		}
	}
}
