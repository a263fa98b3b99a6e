package main

import (
	"net/http"
	"strings"
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
		t.Errorf("%v, %v", got, err)
	}
}

// What can never work ends at once, and names what is meant.
func TestUploadRefusesServers(t *testing.T) {
	t.Parallel()
	lines := file(t, line)
	for address, want := range map[string]string{
		"http://127.0.0.1:50051":              "is 127.0.0.1:50051 meant?",
		"http://127.0.0.1:50051/":             "is 127.0.0.1:50051 meant?",
		"HTTPS://gate.example:50051/path":     "is gate.example:50051, with --tls, meant?",
		"grpc://127.0.0.1:50051":              "is 127.0.0.1:50051 meant?",
		"dns://gate.example:50051":            "is gate.example:50051 meant?",
		"dns:///gate.example":                 "is gate.example:50051 meant?",
		"http://gate.example":                 "is gate.example:50051 meant?",
		"::1:50051":                           "is [::1]:50051 meant?",
		"::1":                                 "is [::1]:50051 meant?",
		"[::1]":                               "is [::1]:50051 meant?",
		"2001:db8::7:50051":                   "is [2001:db8::7]:50051 meant?",
		"'127.0.0.1:50051'":                   "is 127.0.0.1:50051 meant?",
		`"127.0.0.1:50051"`:                   "is 127.0.0.1:50051 meant?",
		"127.0.0.1:50051/":                    "is 127.0.0.1:50051 meant?",
		"gate.example":                        "is gate.example:50051 meant?",
		":50051":                              "is 127.0.0.1:50051 meant?",
		"/run/scopegate.socket":               "is unix:///run/scopegate.socket meant?",
		"unix://run/scopegate.socket":         "the path is not absolute: write unix:///path",
		"unix:///folder/":                     "the path is that of a folder",
		"unix:///" + strings.Repeat("s", 110): "that of a socket can have",
		"127.0.0.1:":                          `"" is not a port from 1 to 65535`,
		"127.0.0.1:0":                         `"0" is not a port`,
		"127.0.0.1:99999":                     `"99999" is not a port`,
		"127.0.0.1:grpc":                      `"grpc" is not a port`,
		"my gate:50051":                       `"my gate" is neither a host name nor an IP address`,
		"https://u:canary@gate.example:1":     "is gate.example:1, with --tls, meant?",
		"u:canary@gate.example:1":             "is gate.example:1 meant?",
		"a:b:c":                               "neither host:port nor unix:///path",
		"xds:///gate":                         "neither host:port nor unix:///path",
		"127.0.0.1:1,gate.example":            "is gate.example:50051 meant?",
		" , ":                                 "the list is empty",
		"":                                    "the list is empty",
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			got := execute(t, "", "upload", "--server", address, "--service", "shop", "--language", "ruby", lines)
			if got.code != exitUsage || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "--server: ") {
				t.Errorf("%q: %+v, want %q", address, got, want)
			}
			if strings.Contains(got.stderr, "canary") {
				t.Errorf("%q: a secret is repeated: %s", address, got.stderr)
			}
		})
	}
	got := executeWith(t, variables(map[string]string{"SCOPEGATE_SERVER": "gate"}), "", "upload", lines)
	if got.code != exitUsage || !strings.Contains(got.stderr, `--server: SCOPEGATE_SERVER: "gate"`) {
		t.Errorf("%+v", got)
	}
}

// Blanks around the elements of a list, and empty elements, mean nothing.
func TestListsAreTidied(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	upload := []string{"upload", "--service", "shop", "--language", "ruby", "-", "--server"}
	for _, servers := range []string{" " + s.server, s.server + ",", "127.0.0.1:1, " + s.server + " ,"} {
		if got := execute(t, line, append(upload, servers)...); got.code != exitOK {
			t.Errorf("%q: %+v", servers, got)
		}
	}
	socket := settings.UnixScheme + socketPath(t)
	serve, _, admin := startServe(t, variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": "127.0.0.1:0"}),
		"--listen", " 127.0.0.1:0 ,, "+socket, "--intake-url", "http://127.0.0.1:1/",
		"--additional-intake", " http://127.0.0.1:1/ , http://127.0.0.1:2/", "--admin-host", "foo, bar")
	serve.address()
	if got := serve.address(); got != socket {
		t.Errorf("listens on %q", got)
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
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
	configured := file(t, "listen: [' 127.0.0.1:7 ', '']\nadmin-host: []\n")
	if got := execute(t, "", "serve", "--check", "--config", configured); got.code != exitOK ||
		!strings.Contains(got.stdout, "127.0.0.1:7  ") || strings.Contains(got.stdout, "127.0.0.1:7,") {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{
		{"serve", "--listen", ""},
		{"serve", "--listen", " ,"},
		{"serve", "--admin-host", ","},
		{"intake", "--listen", ","},
		{"serve", "--additional-intake", " "},
		{"serve", "--config", file(t, "listen: []\n")},
	} {
		if got := execute(t, "", args...); got.code != exitUsage || !strings.Contains(got.stderr, "the list is empty") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}
