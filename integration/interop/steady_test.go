package interop_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server/devintake"
)

// A producer that can't find a scope twice sends streams that are one batch each, and
// one that has an end holds a scope back for the last.
func goesBitByBit(t *testing.T, p *producer) {
	t.Helper()
	if !p.language.steady {
		t.Skip("this producer uploads all at once")
	}
	upload := p.uploadInTrouble(t, "--bit-by-bit")
	if !upload.Complete {
		t.Errorf("the upload has %d batches, its final one is %d, want it complete", upload.BatchCount, upload.FinalBatchNum)
	}
}

// The upload of a process that loads code for as long as it lives never has a final batch.
func isOpenEnded(t *testing.T, p *producer) {
	t.Helper()
	if !p.language.openEnded {
		t.Skip("this producer's uploads have an end")
	}
	upload := p.uploadInTrouble(t, "--open-ended")
	if upload.FinalBatchNum != 0 {
		t.Errorf("batch %d is final, want none", upload.FinalBatchNum)
	}
}

// uploadInTrouble has the producer upload in the form that an option asks for, while the
// intake is down for a while, an answer is lost, and a scope is refused.
func (p *producer) uploadInTrouble(t *testing.T, form string) devintake.Upload {
	t.Helper()
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

	result := p.start(t, proxy.Address(), "--replay", spoiled, form, "true").mustSucceed(t)
	requireEqual(t, bed.scopes(t, result.UploadID), readLines(t, good))
	upload, _ := bed.intake.Store.Upload(result.UploadID)
	if upload.RepeatCount == 0 {
		t.Error("the batch with the lost answer was not sent again")
	}
	if result.Streams < upload.BatchCount+3 {
		t.Errorf("%d streams for %d batches: what was the trouble?, want at least %v", result.Streams, upload.BatchCount, upload.BatchCount+3)
	}
	return upload
}
