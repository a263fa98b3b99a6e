package devintake_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/gziptest"
	"github.com/scopegate/scopegate/server/devintake"
)

func BenchmarkCheckEnvelope(b *testing.B) {
	text := envelopeOf(uploadID, 1, true, strings.Repeat(wellFormed["go"]+",", 10_000)+goodScope)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := devintake.CheckEnvelope(strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServeHTTP(b *testing.B) {
	req := batchRequest(uploadID, 1, true, strings.Repeat(wellFormed["go"]+",", 10_000)+goodScope)
	in := newIntake(b, devintake.Options{})
	b.SetBytes(int64(len(req.envelope)))
	req.gzip = gziptest.Compress(b, req.envelope)
	for b.Loop() {
		if rec := req.send(b, in); rec.Code != http.StatusAccepted {
			b.Fatal(rec.Body)
		}
	}
}
