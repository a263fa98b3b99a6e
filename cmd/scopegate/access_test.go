package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server"

	"github.com/google/go-cmp/cmp"
)

// canary is part of every secret of a test, and must not appear in any output.
const canary = "canary5b1e"

// TestTokenUpload checks that server and client accept the output of `scopegate token`.
func TestTokenUpload(t *testing.T) {
	t.Parallel()
	intake := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(intake.Close)
	printed := execute(t, "", "token", "--expires-in", "1h")
	token, hashLine, _ := strings.Cut(printed.stdout, "\n")
	tenants := file(t, "tenants:\n- name: shop\n  tokens:\n    "+hashLine)
	tokenFile := file(t, token+"\n")
	gate := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", intake.URL, "--tenants-file", tenants)
	upload := []string{"upload", "--server", gate.address(), "--service", "shop", "--language", "ruby", "-q", "-"}
	variable := variables(map[string]string{"SCOPEGATE_UPLOAD_TOKEN": token})
	for name, got := range map[string]result{
		"file":     execute(t, line, append(upload, "--token-file", tokenFile)...),
		"variable": executeWith(t, variable, line, upload...),
	} {
		if got.code != exitOK {
			t.Errorf("%s: %+v, want code %v", name, got, exitOK)
		}
	}
	for name, got := range map[string]result{
		"none":  execute(t, line, upload...),
		"wrong": execute(t, line, append(upload, "--token-file", file(t, "sgt_"+canary))...),
	} {
		if got.code != exitFailure || !strings.Contains(got.stderr, "valid credential") || strings.Contains(got.stderr, canary) {
			t.Errorf("%s: %+v, want code %d", name, got, exitFailure)
		}
	}
	for name, path := range map[string]string{"missing": tokenFile + ".no", "empty": file(t, ""), "two": file(t, canary+" "+canary)} {
		got := execute(t, line, append(upload, "--token-file", path)...)
		if got.code != exitUsage || strings.Contains(got.stderr, canary) || !strings.Contains(got.stderr, "upload: --token-file: ") {
			t.Errorf("%s: %+v, want code %d and the flag", name, got, exitUsage)
		}
	}
	gate.stop()
}

// TestHostileNamesInTheLog checks that names from a client can't forge log lines or request
// headers.
func TestHostileNamesInTheLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var headers []http.Header
	var bodies []string
	intake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		headers, bodies = append(headers, r.Header.Clone()), append(bodies, string(body))
		mu.Unlock()
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "no\ntime=x level=ERROR msg=forged\x1b[2J")
	}))
	t.Cleanup(intake.Close)
	const forged = "x\r\ntime=2026-01-01T00:00:00Z level=ERROR msg=forged\r\nDD-API-KEY: forged\r\n\r\n--scopegate-\x1b[31m\u2028\u202e\x00\"}"
	for format, check := range map[string]func(string) bool{
		"text": func(line string) bool { return strings.HasPrefix(line, "time=") },
		"json": func(line string) bool { return json.Valid([]byte(line)) },
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			gate := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", intake.URL,
				"--log-format", format, "--log-level", "debug", "--additional-tags", "a:b", "--flush-threshold", "0")
			got := execute(t, line, "upload", "--server", gate.address(), "-q", "--service", forged, "--env", forged,
				"--service-version", forged, "--language", forged, "--runtime-id", forged, "-")
			if got.code == exitOK {
				t.Error("the upload succeeded")
			}
			gate.stop()
			log := strings.TrimSuffix(gate.stderr.String(), "\n")
			if !strings.Contains(log, "upload ended") {
				t.Errorf("the upload is not in the log:\n%s", log)
			}
			for text := range strings.SplitSeq(log, "\n") {
				if !check(text) || strings.ContainsAny(text, "\r\x1b\x00\u2028") {
					t.Errorf("a line of the log is %q", text)
				}
			}
		})
	}
	t.Cleanup(func() {
		for i, header := range headers {
			if tags := header.Values("X-Datadog-Additional-Tags"); len(tags) != 1 || tags[0] != "a:b" || header.Get("DD-API-KEY") != "" {
				t.Errorf("headers %v, want 1 tags, %q and none", header, "a:b")
			}
			if strings.Contains(bodies[i], "DD-API-KEY: forged\r\n") || strings.Count(bodies[i], "Content-Disposition") != 2 {
				t.Errorf("the body has another part: %q", bodies[i])
			}
		}
	})
}

// TestOpenServerIsToldOf checks that serve warns if anyone may upload and other hosts can
// reach it.
func TestOpenServerIsToldOf(t *testing.T) {
	t.Parallel()
	tenants := file(t, "tenants: [{name: a, certificates: [b]}]")
	for _, test := range []struct {
		args []string
		want bool
	}{
		{[]string{"--listen", "0.0.0.0:0", "--insecure-listen"}, true},
		{[]string{"--listen", "127.0.0.1:0"}, false},
		{[]string{"--listen", "0.0.0.0:0", "--insecure-listen", "--tenants-file", tenants}, false},
	} {
		gate := startCommand(t, noVariables, append([]string{"serve", "--intake-url", "http://127.0.0.1:1"}, test.args...)...)
		gate.address()
		gate.stop()
		if got := strings.Contains(gate.stderr.String(), "anyone who can connect may upload"); got != test.want {
			t.Errorf("%v: told: %v, want %v\n%s", test.args, got, test.want, gate.stderr.String())
		}
	}
}

func TestAdditionalIntakeFlag(t *testing.T) {
	t.Parallel()
	flags := accessFlags{AdditionalIntake: []string{"https://a.example/x", " https://b.example/y  " + file(t, "the-key\n")}}
	var cfg server.Config
	if err := flags.readAdditional(t.Context(), "", &cfg); err != nil {
		t.Fatal(err)
	}
	want := []server.AdditionalIntake{{URL: "https://a.example/x"}, {URL: "https://b.example/y", APIKey: server.NewSecret("the-key")}}
	if diff := cmp.Diff(want, cfg.AdditionalIntakes.Intakes, cmp.Transformer("reveal", server.Secret.Reveal)); diff != "" {
		t.Errorf("intakes (-want +got):\n%s", diff)
	}
}
