package admin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/scopegate/scopegate/server/internal/admin"
)

// BenchmarkPage is the making of a page with as much on it as there can be. It is
// done once in each Refresh, and only while somebody looks.
func BenchmarkPage(b *testing.B) {
	s := well()
	for range 99 {
		s.Uploads = append(s.Uploads, s.Uploads[0])
		s.Finished = append(s.Finished, s.Finished[0])
	}
	request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	p := admin.NewPage(func() admin.Snapshot { return s })
	defer p.Close()
	var size int
	for b.Loop() {
		p.Forget()
		recorder := httptest.NewRecorder()
		p.ServeHTTP(recorder, request)
		size = recorder.Body.Len()
	}
	b.ReportMetric(float64(size), "page-bytes")
}
