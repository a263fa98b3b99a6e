package uploading

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// A stall is reported for as long as the server accepts nothing. Waiting for the source is
// not a stall.
func TestStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := newStall(&progressLines{w: &out, now: time.Now})
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		pass(time.Hour)
		s.begin(1)
		pass(9 * time.Second)
		s.end()
		pass(time.Hour)
		s.begin(7)
		pass(25 * time.Second)
		s.end()
		pass(time.Hour)
		want := "waiting for the server: nothing accepted for 10s, 7 scopes sent; it may be waiting for its intake\n" +
			"waiting for the server: nothing accepted for 20s, 7 scopes sent; it may be waiting for its intake\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
}

// An unreachable server is not waited for.
func TestNoStallAfterRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		src := &Source{
			Scopes: func(yield func(*symdbv1.Scope, error) bool) { yield(&symdbv1.Scope{}, nil) },
			done:   func() int64 { return 0 },
		}
		o := Observe(src, &progressLines{w: &out, now: time.Now})
		for _, err := range o.Scopes() {
			if err != nil {
				t.Error(err)
			}
		}
		o.Retry(client.RetryEvent{Err: errors.New("no server"), Wait: time.Minute})
		<-time.After(time.Hour)
		synctest.Wait()
		o.End(false)
		if want := "no server; retrying in 1m0s\n"; out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
}

// The sizes of a resumed upload do not include all its batches.
func TestReportOfResumedUpload(t *testing.T) {
	t.Parallel()
	for accepted, want := range map[int64]string{
		0: "uploaded shop: 5 scopes in 2 batches, 1.00 kB of JSON as 100 B of gzip, in 1.0 s\nupload id x\n",
		3: "uploaded shop: 5 scopes in 2 batches, 1.00 kB of JSON as 100 B of gzip since it resumed, in 1.0 s\nupload id x\n",
	} {
		r := Report{Service: "shop"}
		r.Resume(client.RetryEvent{UploadID: "x", AcceptedScopeCount: accepted})
		r.Summarize(client.Result{UploadID: "x", ScopeCount: 5, BatchCount: 2, RawBytes: 1000, CompressedBytes: 100}, time.Second)
		var out strings.Builder
		if r.Print(&out); out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	}
}
