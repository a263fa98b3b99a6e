package intake_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// The state follows the gate: down once attempts have failed in a row, and well
// again with the first that is answered.
func TestStateOfAnIntakeThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{answer: scripted(0, 0, 0, 200)}
		client := modelClient(t, m, func(c *intake.Config) {
			c.Retry = intake.DefaultRetry()
			c.Retry.BreakerFailureThreshold = 3
			c.Retry.BreakerDelay = time.Minute
		})
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("at first: %+v", got)
		}
		ended := make(chan error)
		go func() { ended <- client.Forward(t.Context(), smallBatch()) }()
		<-time.After(10 * time.Second)
		got := client.State()
		if wait := time.Until(got.RetryAt); got.Health != intake.Down || wait <= 0 || wait > 75*time.Second {
			t.Errorf("down: %+v, for %v", got, wait)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("back: %+v", got)
		}
	})
}

func TestStateOfAnIntakeThatAsksToBeSpared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := modelClient(t, &model{answer: func(int) reply { return later(503, "30") }}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		_ = failure(t, client, ctx)
		got := client.State()
		if wait := got.RetryAt.Sub(begin); got.Health != intake.Throttled || wait < 30*time.Second || wait > 31*time.Second {
			t.Errorf("spared: %+v, for %v", got, wait)
		}
		<-time.After(time.Minute)
		if got := client.State(); got.Health != intake.Up || !got.RetryAt.IsZero() {
			t.Errorf("afterwards: %+v", got)
		}
	})
}

func TestAttemptsTellWhy(t *testing.T) {
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
				_ = client.Forward(ctx, smallBatch())
				if first == nil || !strings.Contains(first.Reason, test.want) || (test.want == "") != (first.Reason == "") ||
					strings.Contains(first.Reason, "secret") {
					t.Errorf("%+v", first)
				}
			})
		})
	}
}

func TestHostHoldsNoSecret(t *testing.T) {
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
			t.Errorf("%q: %q", url, got)
		}
	}
}
