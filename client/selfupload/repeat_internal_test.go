package selfupload

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/client"
)

// settingsOf returns the settings with options.
func settingsOf(t *testing.T, options ...Option) *settings {
	t.Helper()
	s, err := newSettings(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// errPassing is a transient failure.
var errPassing = fmt.Errorf("server: %w", client.ErrUpload)

func TestDelayIsJittered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[time.Duration]bool)
		for range 20 {
			began := time.Now()
			u := start(t.Context(), settingsOf(t), func(context.Context) (client.Result, error) { return client.Result{}, nil })
			if _, err := u.Wait(); err != nil {
				t.Error(err)
			}
			delay := time.Since(began)
			if seen[delay] = true; delay > DefaultMaxDelay {
				t.Errorf("it began after %v, want at most %v", delay, DefaultMaxDelay)
			}
		}
		if len(seen) < 10 {
			t.Errorf("20 uploads began after %v, want at least 10 different delays", seen)
		}
	})
}

func TestFailuresBackOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const first, most, failures = time.Second, 10 * time.Second, 8
		var waits []time.Duration
		last := time.Now()
		u := start(t.Context(), settingsOf(t, WithMaxDelay(0), WithBackoff(first, most)), func(context.Context) (client.Result, error) {
			waits = append(waits, time.Since(last))
			last = time.Now()
			if len(waits) <= failures {
				return client.Result{}, errPassing
			}
			return client.Result{ScopeCount: 3}, nil
		})
		if result, err := u.Wait(); err != nil || result.ScopeCount != 3 {
			t.Errorf("got %+v, %v, want 3 scopes", result, err)
		}
		limit := first
		for i, wait := range waits[1:] {
			if wait < limit/2 || wait > limit {
				t.Errorf("wait %d is %v, want %v to %v", i+1, wait, limit/2, limit)
			}
			limit = min(2*limit, most)
		}
	})
}

func TestFailuresThatStay(t *testing.T) {
	t.Parallel()
	wrong := errors.New("wrong")
	for name, tt := range map[string]struct {
		attempt func() (client.Result, error)
		want    string
	}{
		"error": {func() (client.Result, error) { return client.Result{}, wrong }, "self upload: wrong"},
		"panic": {func() (client.Result, error) { panic(wrong) }, "self upload: panic: wrong"},
	} {
		attempts := 0
		u := start(t.Context(), settingsOf(t, WithMaxDelay(0)), func(context.Context) (client.Result, error) {
			attempts++
			return tt.attempt()
		})
		if _, err := u.Wait(); err == nil || !strings.HasPrefix(err.Error(), tt.want) || attempts != 1 {
			t.Errorf("%s: got %v after %d attempts, want %q after 1", name, err, attempts, tt.want)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		u := start(ctx, settingsOf(t, WithMaxDelay(0), WithBackoff(time.Hour, time.Hour)), func(context.Context) (client.Result, error) {
			return client.Result{}, errPassing
		})
		began := time.Now()
		if _, err := u.Wait(); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 90*time.Second {
			t.Errorf("got %v after %v, want %v after 90s", err, time.Since(began), context.DeadlineExceeded)
		}
	})
}

func TestEndlessDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		u := start(ctx, settingsOf(t, WithMaxDelay(math.MaxInt64)), func(context.Context) (client.Result, error) {
			return client.Result{}, errors.New("it began")
		})
		if _, err := u.Wait(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
	})
}

func TestMetadataOfTheProcessWins(t *testing.T) {
	t.Parallel()
	binary := client.Metadata{Service: "shop", Version: new("1"), Language: "go", Tags: []string{"git.commit.sha:1"}}
	got := settingsOf(t, WithMetadata(client.Metadata{Service: "cart", Env: new("prod"), Tags: []string{"team:cart"}})).describe(binary)
	if got.Service != "cart" || *got.Version != "1" || got.Language != "go" || *got.Env != "prod" ||
		strings.Join(got.Tags, " ") != "git.commit.sha:1 team:cart" {
		t.Errorf("got %+v, want the process's service and environment and the binary's rest", got)
	}
	got = settingsOf(t, WithMetadata(client.Metadata{Version: new(""), Language: "GO"})).describe(binary)
	if got.Service != "shop" || *got.Version != "" || got.Language != "GO" {
		t.Errorf("got %+v, want the process's version and language and the binary's service", got)
	}
}
