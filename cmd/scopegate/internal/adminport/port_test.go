package adminport_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/adminport"
	"github.com/scopegate/scopegate/server"
)

func open(t *testing.T, address string) *adminport.Port {
	t.Helper()
	port, err := adminport.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Errors explain answers of other programs, and refusals, and say what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status      int
		body        string
		ready, text string // of the errors; empty: none
	}{
		"another host": {http.StatusForbidden, "", "--admin-open", "--admin-open"},
		"another name": {http.StatusMisdirectedRequest, "", "--admin-host", "--admin-host"},
		"nothing":      {http.StatusNotFound, "", "no /readyz at", "no /status.json at"},
		"redirect":     {http.StatusFound, "", "HTTP status 302", "HTTP status 302"},
		"not ready":    {http.StatusServiceUnavailable, "", "it is starting or stopping", "HTTP status 503"},
		"no JSON":      {http.StatusOK, "ok", "", "is not a status: set --admin to the server's --admin-listen"},
		"other JSON":   {http.StatusOK, "{}", "", "is not a status"},
		"a status":     {http.StatusOK, `{"schema_version": 2}`, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer web.Close()
			port := open(t, web.Listener.Addr().String())
			requireError(t, port.Ready(t.Context()), test.ready)
			text, err := port.Status(t.Context())
			requireError(t, err, test.text)
			if test.text == "" && string(text) != test.body {
				t.Errorf("got %q, want %q", text, test.body)
			}
		})
	}
}

func requireError(t *testing.T, err error, text string) {
	t.Helper()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

// A status may have unknown fields. Another version is an error.
func TestParse(t *testing.T) {
	t.Parallel()
	status, err := adminport.Parse([]byte(`{"schema_version": 1, "state": "well", "added": 7}`))
	if err != nil || status.State != "well" {
		t.Errorf("got %+v, %v, want the state well", status, err)
	}
	_, err = adminport.Parse([]byte(`{"schema_version": 2, "state": {}}`))
	requireError(t, err, "has version 2, but this scopegate supports only version 1")
	_, err = adminport.Parse([]byte(`{"schema_version": 1, "state": 7}`))
	requireError(t, err, "--json shows it")
}

// A server that accepts but does not answer is waited for until the context ends.
func TestSilence(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	port := open(t, silent.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err = port.Ready(ctx)
	if requireError(t, err, "in time: see --timeout"); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want an error that is not taken for a failed delivery", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := port.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// Text from the server does not control the terminal.
func TestPrintHostileTexts(t *testing.T) {
	t.Parallel()
	hostile := "a\x1b[31m\tb\nc\u202e" + strings.Repeat("w", 1000)
	quoted, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(`{"server": {"version": X}, "state": X, "problems": [{"severity": X, "title": X, "text": X}],
		"intake": {"host": X, "condition": X, "failures": [{"outcome": X, "reason": X}]},
		"uploads": [{"service": X, "version": X, "language": X, "state": X}],
		"finished": [{"service": X, "code": X, "reason": X, "detail": X}], "upload_count": 12}`, "X", string(quoted))
	var s server.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := adminport.Print(&printed, "127.0.0.1:6060", s); err != nil {
		t.Fatal(err)
	}
	got, lines := printed.String(), 13
	if !strings.Contains(got, strings.Repeat("w", 1000)) {
		t.Error("the problem is cut")
	}
	if strings.ContainsAny(got, "\x1b\u202e\t") || strings.Count(got, "\n") != lines || len(got) > 4000 {
		t.Errorf("got %d bytes, want at most 4000 in %d lines that a terminal does not obey:\n%q", len(got), lines, got)
	}
}
