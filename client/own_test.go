package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// TestOwnSymbolsAtShutdown ends the program's context before the upload begins: it
// is given up at once, and nothing is logged.
func TestOwnSymbolsAtShutdown(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	ctx, shutDown := context.WithCancel(t.Context())
	wait := ownSymbols{
		Path: "/nowhere", MaxDelay: 1000 * time.Hour, Timeout: time.Hour, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	}.Start(ctx)
	shutDown()
	wait()
	if logged.Len() > 0 {
		t.Errorf("logged %s, want none", &logged)
	}
}

// TestOwnSymbolsFail has no symbols to upload: that is logged.
func TestOwnSymbolsFail(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	ownSymbols{
		Path: filepath.Join(t.TempDir(), "none"), Timeout: time.Hour, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	}.Start(t.Context())()
	if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") {
		t.Errorf("logged %q, want one warning", text)
	}
}

// TestExecutable finds the file that runs.
func TestExecutable(t *testing.T) {
	t.Parallel()
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	got, gotErr := os.Stat(path)
	running, err := os.Stat(want)
	if err := errors.Join(gotErr, err); err != nil || !os.SameFile(got, running) {
		t.Errorf("%s is not %s: %v", path, want, err)
	}
}

// TestOwnSymbolsAreJittered: the upload begins within the bound, and not always at
// the same time.
func TestOwnSymbolsAreJittered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		seen := make(map[time.Duration]bool)
		for range 20 {
			began := time.Now()
			ownSymbols{Path: "/nowhere", MaxDelay: time.Minute, Timeout: time.Hour, Logger: slog.New(slog.DiscardHandler)}.Start(t.Context())()
			delay := time.Since(began)
			seen[delay] = true
			if delay > time.Minute {
				t.Errorf("it began after %v, want at most %v", delay, time.Minute)
			}
		}
		if len(seen) < 10 {
			t.Errorf("20 uploads began after %v, want at least 10", seen)
		}
	})
}

func TestPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		works := []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Minute}
		slow := func(yield func(*symdbv1.Scope, error) bool) {
			for _, work := range works {
				<-time.After(work)
				if !yield(&symdbv1.Scope{}, nil) {
					return
				}
			}
		}
		began := time.Now()
		for _, err := range paced(t.Context(), slow) {
			if err != nil {
				t.Error(err)
			}
		}
		want := 5*(time.Millisecond+50*time.Millisecond) + time.Minute + maxRest
		if took := time.Since(began); took != want {
			t.Errorf("it took %v, want %v", took, want)
		}

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		count := 0
		for _, err := range paced(ctx, slow) {
			cancel()
			count, last = count+1, err
		}
		if count != 2 || !errors.Is(last, context.Canceled) {
			t.Errorf("after its context's end it yielded %d more, at last %v, want count 2 and %v", count-1, last, context.Canceled)
		}
	})
}
