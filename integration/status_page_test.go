package integration_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// The status page shows an upload and the intake's host, and none of the secrets
// in the intake's URL and key.
func TestStatusPageHoldsNoSecret(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Fault: testbed.OnBatch(2, testbed.Answer(http.StatusForbidden, "not with that key"))})
	handler := bed.Server.StatusPage()
	metadata := testbed.NewMetadata()
	bed.Upload(t, metadata, testbed.NewSource(1).Functions(3))
	metadata = testbed.NewMetadata()
	metadata.UploadId, metadata.FirstBatchNum = "0b1c2d3e-4f50-4607-8899-aabbccddeeff", 2
	if _, err := testbed.UploadOnce(t.Context(), bed.Client, metadata, testbed.NewSource(2).Functions(3)); err == nil {
		t.Fatal("the second batch was accepted")
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	page := recorder.Body.String()
	for _, want := range []string{html.EscapeString(metadata.GetService()), "0b1c2d3e…", "INTAKE_REFUSED", "HTTP 403: not with that key", bed.Intake.Address()} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(page, testbed.Canary) {
		t.Error("there is a secret on the page")
	}
}
