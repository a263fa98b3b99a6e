package main

import (
	"net/http"
	"testing"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
)

func TestServerTargets(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:50051":        "127.0.0.1:50051",
		"scopegate.example:1":    "scopegate.example:1",
		"[::1]:50051":            "passthrough:///[::1]:50051",
		"[fe80::1%eth0]:50051":   "passthrough:///[fe80::1%25eth0]:50051",
		"unix:///run/s.socket":   "unix:///run/s.socket",
		"unix:///run/a%41?.sock": "unix:///run/a%2541%3F.sock",
		"unix:/run/s.socket":     "unix:/run/s.socket",
		"unix:s.socket":          "unix:s.socket",
		"unix-abstract:s":        "unix-abstract:s",
		"dns:///host:1":          "dns:///host:1",
	} {
		if got, err := uploading.Targets("--server", []string{address}); err != nil || got[0] != want {
			t.Errorf("%s: %v, %v, want %s", address, got, err, want)
		}
	}
	if got, err := uploading.Targets("--server", []string{"[fe80::1%eth0]:1", "b:2"}); err != nil || got[0] != "[fe80::1%eth0]:1" || got[1] != "b:2" {
		t.Errorf("%v, %v, want %q and %q", got, err, "[fe80::1%eth0]:1", "b:2")
	}
}

// TestServeTidiesLists: blanks around the items of lists, and empty items, are ignored.
func TestServeTidiesLists(t *testing.T) {
	t.Parallel()
	socket := settings.UnixScheme + socketPath(t)
	serve, _, admin := startServe(t, variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": "127.0.0.1:0"}),
		"--listen", " 127.0.0.1:0 ,, "+socket, "--intake-url", "http://127.0.0.1:1/",
		"--additional-intake", " http://127.0.0.1:1/ , http://127.0.0.1:2/", "--admin-host", "foo, bar")
	serve.address()
	if got := serve.address(); got != socket {
		t.Errorf("listens on %q, want %q", got, socket)
	}
	for name, want := range map[string]int{"foo": http.StatusOK, "bar": http.StatusOK, "baz": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+admin+"/healthz", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = name, true
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("host %s: status %d, want %d", name, answer.StatusCode, want)
		}
	}
}
