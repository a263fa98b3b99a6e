package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The page is there, and what it has under way does not keep the server from
// stopping.
func TestServeWithPage(t *testing.T) {
	t.Parallel()
	s := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/", "--admin-listen", "127.0.0.1:0")
	s.address()
	url, ok := strings.CutPrefix(s.line(), "admin page on ")
	if !ok {
		t.Fatal(s.stderr.String())
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	fetch := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	page := fetch("")
	defer page.Body.Close()
	if html, err := io.ReadAll(page.Body); err != nil || !strings.Contains(string(html), "All is well") {
		t.Errorf("%s: %v", html, err)
	}
	events := fetch("events")
	defer events.Body.Close()
	if _, err := events.Body.Read(make([]byte, 6)); err != nil {
		t.Error(err)
	}
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
}

func TestPageIsForThisHostAlone(t *testing.T) {
	t.Parallel()
	r := execute(t, "", "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/", "--admin-listen", "0.0.0.0:0")
	if r.code != exitUsage || !strings.Contains(r.stderr, "not a loopback address") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}
