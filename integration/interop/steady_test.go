package interop_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// A producer that can't find a scope twice sends streams that are one batch each:
// the intake is down for a while, an answer is lost, a scope is refused.
func goesBitByBit(t *testing.T, p *producer) {
	t.Helper()
	if !p.language.steady {
		t.Skip("this producer uploads all at once")
	}
	var proxy *testbed.Proxy
	var downSince time.Time
	var cut sync.Once
	trouble := func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		switch post.BatchNum { // one batch travels at a time
		case 2:
			if downSince.IsZero() {
				downSince = time.Now()
			}
			if time.Since(downSince) < downTime {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		case 4:
			cut.Do(func() {
				proxy.Cut()
				if err := proxy.Mend(); err != nil {
					t.Errorf("mend: %v", err)
				}
			})
		}
		accept(w, r)
	}
	bed := newBed(t, trouble, "--batch-deadline", batchDeadline.String())
	proxy = testbed.NewProxy(t, bed.server.Address)
	const ordinal = 300
	lines := paddedLines(500)
	good := writeReplay(t, 0, lines...)
	spoiled := writeReplay(t, 0, slices.Insert(lines, ordinal, `{"scope_type":"","name":"spoiled","start_line":0,"end_line":0}`)...)

	result := p.start(t, proxy.Address(), "--replay", spoiled, "--bit-by-bit", "true").mustSucceed(t)
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, good))
	upload, _ := bed.intake.Store.Upload(result.UploadID)
	if upload.RepeatCount == 0 {
		t.Error("the batch whose answer was lost did not come again")
	}
	if result.Streams < upload.BatchCount+3 {
		t.Errorf("%d streams for %d batches: what was the trouble?, want at least %v", result.Streams, upload.BatchCount, upload.BatchCount+3)
	}
}
