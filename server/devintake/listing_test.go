package devintake_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/scopegate/scopegate/server/devintake"
)

var update = flag.Bool("update", false, "write the golden files")

func get(tb testing.TB, in http.Handler, path string) *httptest.ResponseRecorder {
	tb.Helper()
	rec := httptest.NewRecorder()
	in.ServeHTTP(rec, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, path, http.NoBody))
	return rec
}

func TestListing(t *testing.T) {
	t.Parallel()
	in := newIntake(t, devintake.Options{})
	const other = "ffffffff-0000-4000-8000-000000000001"
	for _, req := range []*request{
		batchRequest(uploadID, 1, false), batchRequest(other, 2, true), batchRequest(uploadID, 2, true, goodScope, goodScope),
		batchRequest(uploadID, 1, false),
	} {
		// A stored block, so that the golden sizes do not depend on the compressor.
		req.gzip = storedGzip(req.envelope)
		mustAccept(t, in, req)
	}
	batchRequest(other, 0, false).send(t, in)
	for name, path := range map[string]string{
		"uploads.json": "/uploads",
		"upload.json":  "/uploads/" + uploadID,
		"missing.json": "/uploads/" + uploadID + "/batches/3",
	} {
		rec := get(t, in, path)
		if got := rec.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: content type %s, want %q", path, got, "application/json")
		}
		golden(t, name, rec.Body.Bytes())
	}
	for _, path := range []string{"/uploads/x", "/uploads/x/batches/1", "/uploads/" + uploadID + "/batches/x", "/uploads/x/y"} {
		if rec := get(t, in, path); rec.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want %v", path, rec.Code, http.StatusNotFound)
		}
	}
	rec := get(t, in, "/uploads/"+uploadID+"/batches/1")
	if want := storedGzip(batchRequest(uploadID, 1, false).envelope); !bytes.Equal(rec.Body.Bytes(), want) || rec.Header().Get("Content-Type") != "application/gzip" {
		t.Errorf("%s %q, want %q as application/gzip", rec.Header(), rec.Body, want)
	}
}

func golden(tb testing.TB, name string, got []byte) {
	tb.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		tb.Errorf("%s:\n%s\nwant\n%s", name, got, want)
	}
}
