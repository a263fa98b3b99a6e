package server

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestAdminPortMakesRoom: whatever others do with the admin port, somebody who comes
// now is answered, and no more connections are kept than there may be.
func TestAdminPortMakesRoom(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"silence":        "",
		"half a request": "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 1000),
		"an answer":      "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"events":         "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"half a body":    "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := run(t)
			before := server.drawnBytes()
			from := listen(t)
			address := from.Addr().String()
			stop := server.ServeAdmin(t.Context(), from, AdminConfig{Metrics: prometheus.NewRegistry()})
			t.Cleanup(stop)
			for range 3 * adminConnections {
				// The server may close it before all of it is written.
				_, _ = io.WriteString(dialTCP(t, address), request)
			}
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			resp, err := transport.RoundTrip(newRequest(t, "http://"+address+"/healthz"))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("health: %s, want %v", resp.Status, http.StatusOK)
			}
			// All others came before.
			if drawn := server.drawnBytes() - before; drawn > adminConnections/2*adminConnectionBytes {
				t.Errorf("%d bytes are drawn, want at most %v", drawn, adminConnections/2*adminConnectionBytes)
			}
		})
	}
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return request
}
