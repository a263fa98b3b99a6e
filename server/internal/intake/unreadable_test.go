package intake_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// brokenStore is a spool that can't be read.
type brokenStore struct{}

var errDisk = errors.New("input/output error")

func (brokenStore) Put([]byte) (int64, error)             { return 0, nil }
func (brokenStore) ReadAt(_ []byte, _ int64, _ int) error { return errDisk }
func (brokenStore) Free(int64)                            {}

// unreadableBatch returns a batch in a spool that can't be read.
func unreadableBatch(t *testing.T) *batch.Batch {
	t.Helper()
	b := newBatch(100 << 10)
	if _, err := b.File.Body.Spill(brokenStore{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// A batch that can't be read is not the intake's fault: the breaker does not count it, and
// it is not sent again.
func TestUnreadableBatch(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					w.WriteHeader(http.StatusBadRequest)
				}
			}))
			server.Config.ErrorLog = discardLog()
			server.EnableHTTP2 = http2
			server.StartTLS()
			t.Cleanup(server.Close)
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
			retry := quick()
			retry.BreakerFailureThreshold = 2
			var seen attempts
			client := newClient(t, intake.Config{
				URL: server.URL, PostTimeout: time.Minute, BatchDeadline: time.Hour, Retry: retry,
				TLS: always(config),
			}, intake.OnAttempt(seen.add))
			const batches = 3
			for range batches {
				err := client.Forward(t.Context(), intake.Caller{}, unreadableBatch(t))
				failed, ok := errors.AsType[*intake.Error](err)
				if !ok || !errors.Is(err, intake.ErrUnreadable) || !errors.Is(err, errDisk) {
					t.Fatalf("Forward returned %v, want %v and %v", err, intake.ErrUnreadable, errDisk)
				}
				if failed.Attempts != 1 || failed.InDoubt() || failed.Timeout() || !failed.Retryable() || !strings.Contains(err.Error(), "spool") {
					t.Errorf("%+v, want one attempt without doubt, and the spool named", failed)
				}
			}
			if state := client.State(); state.Health != intake.Up {
				t.Errorf("the intake is %s, want %s", state.Health, intake.Up)
			}
			for _, a := range seen.all() {
				if a.Class != intake.ClassCancelled {
					t.Errorf("attempt %+v, want class %s", a, intake.ClassCancelled)
				}
			}
			if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
				t.Error(err)
			}
		})
	}
}
