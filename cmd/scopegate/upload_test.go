package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/server/devintake"
	"github.com/scopegate/scopegate/server/textfile"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestUploadOfLines(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const id = "0e0a1c5e-6c36-4a52-8f0a-3f8b4f2f1c11"
	args := []string{
		"upload", "--server", s.server, "--service", "shop", "--env", "test", "--service-version", "1.2",
		"--language", "ruby", "--runtime-id", "run", "--upload-id", id, file(t, line+line),
	}
	got := execute(t, "", args...)
	if got.code != exitOK || !strings.Contains(got.stdout, "uploaded shop 1.2: 2 scopes in 1 batch") || got.stderr != "" {
		t.Fatalf("%+v, want code %v, %q in it and no stderr", got, exitOK, "uploaded shop 1.2: 2 scopes in 1 batch")
	}
	upload, ok := s.intake.Upload(id)
	want := devintake.Upload{
		UploadID: id, RuntimeID: "run", Service: "shop", Env: "test", Version: "1.2", Language: "ruby",
		HasEnv: true, HasVersion: true, Sender: devintake.Sender{DDSource: "dd_debugger", EventLanguage: "ruby"},
		BatchCount: 1, ScopeCount: 2, Complete: true, FinalBatchNum: 1,
	}
	ignored := cmpopts.IgnoreFields(want, "RawBytes", "CompressedBytes", "Batches")
	if diff := cmp.Diff(want, upload, ignored, cmpopts.EquateEmpty()); diff != "" || !ok {
		t.Errorf("the intake's upload (-want +got):\n%s", diff)
	}
}

// TestDocumentOfNDJSON uploads the example of docs/ndjson.md, and causes the error shown
// there.
func TestDocumentOfNDJSON(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docs/ndjson.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "```ndjson\n")
	example, _, _ := strings.Cut(rest, "```")
	args := []string{"upload", "--server", newStack(t).server, "--service", "shop", "--language", "ruby", "-"}
	if got := execute(t, example, args...); got.code != exitOK || !strings.Contains(got.stdout, "uploaded shop: 2 scopes in 1 batch") {
		t.Errorf("%+v, want code %v and %q in it", got, exitOK, "uploaded shop: 2 scopes in 1 batch")
	}
	symbol := `{"name":"x","symbol_type":"arg"},`
	wrong := `{"scope_type":"a","scopes":[{"scope_type":"b","symbols":[` + strings.Repeat(symbol, 3) + `{"line":"7"}]}]}`
	got := execute(t, line+wrong, args...)
	_, reason, _ := strings.Cut(got.stderr, "line 2: ")
	if got.code != exitInput || reason == "" || !strings.Contains(string(content), "line 2: "+reason) {
		t.Errorf("%+v, want code %d and the error that is documented", got, exitInput)
	}
}

func TestUploadOfLinesWithByteOrderMark(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	args := []string{"upload", "--server", s.server, "--service", "shop", "--language", "ruby"}
	marked := textfile.BOM + line + textfile.BOM + line
	for _, got := range []result{execute(t, marked, append(args, "-")...), execute(t, "", append(args, file(t, marked))...)} {
		if got.code != exitOK || !strings.Contains(got.stdout, "2 scopes in 1 batch") {
			t.Errorf("%+v, want code %v and %q in it", got, exitOK, "2 scopes in 1 batch")
		}
	}
}

func TestUploadOfBinaryToSocket(t *testing.T) {
	t.Parallel()
	withDWARF := binaryWithDWARF(t)
	in, err := devintake.New(devintake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(in)
	defer web.Close()
	serve := startCommand(t, variables(map[string]string{
		"SCOPEGATE_LISTEN": "127.0.0.1:0,unix://" + socketPath(t), "SCOPEGATE_FLUSH_THRESHOLD": "0",
		"DD_TRACE_AGENT_URL": web.URL, "SCOPEGATE_LOG_FORMAT": "json",
	}), "serve")
	serve.address()
	address := serve.address()
	got := execute(t, "", "upload", "--server", address, "--main-module", withDWARF)
	if got.code != exitOK || !strings.Contains(got.stdout, "1 scope in 1 batch") {
		t.Errorf("%+v, want code %v and %q in it", got, exitOK, "1 scope in 1 batch")
	}
	uploads := in.Uploads()
	if len(uploads) != 1 {
		t.Fatalf("the intake has %+v, want one upload", uploads)
	}
	const tag = "git.repository_url:https://github.com/shop/small"
	if u, _ := in.Upload(uploads[0].UploadID); u.Service != "small" || !slices.Contains(u.Batches[0].Tags, tag) {
		t.Errorf("the intake has %+v, want service small and tag %s", u, tag)
	}
	if code := serve.stop(); code != exitOK {
		t.Errorf("serve: exit code %d, want %v", code, exitOK)
	}
	if log := serve.stderr.String(); !strings.Contains(log, `"chosen_by":"DD_TRACE_AGENT_URL"`) {
		t.Errorf("the log does not say which intake was taken and why: %s", log)
	}
}

// The path of an agent's socket is decoded once.
func TestServeToSocketWithEscapes(t *testing.T) {
	t.Parallel()
	in, err := devintake.New(devintake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := socketPath(t) + "%41?#"
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(in)
	_ = web.Listener.Close()
	web.Listener = listener
	web.Start()
	defer web.Close()
	agent := url.URL{Scheme: "unix", Path: path}
	serve := startCommand(t, variables(map[string]string{"DD_TRACE_AGENT_URL": agent.String()}), "serve", "--listen", "127.0.0.1:0")
	got := execute(t, line, "upload", "--server", serve.address(), "--service", "shop", "--language", "ruby", "-")
	if got.code != exitOK || len(in.Uploads()) != 1 {
		t.Errorf("%+v, %v, want code %v and 1 Uploads", got, in.Uploads(), exitOK)
	}
	if code := serve.stop(); code != exitOK {
		t.Errorf("serve: exit code %d, want %v", code, exitOK)
	}
}

func TestUploadReportsTheIntakesRefusal(t *testing.T) {
	t.Parallel()
	server := serveTo(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "quota", http.StatusServiceUnavailable)
	}))
	got := execute(t, line, "upload", "--service", "shop", "--language", "ruby", "--json", "-", "--server", server)
	for _, want := range []string{`"intake_http_status":503`, `"retryable":true`, `"exit_code":4`} {
		if got.code != exitDelivery || !strings.Contains(got.stdout, want) {
			t.Errorf("got %+v, want code %d and %s", got, exitDelivery, want)
		}
	}
}

func TestUploadIsInterrupted(t *testing.T) {
	t.Parallel()
	stuck, unstick := io.Pipe()
	defer unstick.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStack(t)
	var stderr logged.Text
	code := make(chan int)
	go func() {
		args := []string{"upload", "--server", s.server, "--service", "shop", "--language", "ruby", "-"}
		code <- run(ctx, args, stuck, io.Discard, &stderr, noVariables)
	}()
	if _, err := io.WriteString(unstick, line); err != nil {
		t.Fatal(err)
	}
	cancel()
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit code %d, want code %v", got, exitInterrupted)
	}
	if got := stderr.String(); !strings.Contains(got, "interrupted") || strings.Contains(got, "context canceled") {
		t.Errorf("got %q, want it to say that it was interrupted", got)
	}
	for _, upload := range s.intake.Uploads() {
		t.Errorf("the intake has %+v", upload)
	}
}

func TestUploadTimesOut(t *testing.T) {
	t.Parallel()
	stuck, unstick := io.Pipe()
	defer unstick.Close()
	var stderr bytes.Buffer
	args := []string{"upload", "--service", "shop", "--language", "ruby", "--timeout", "1ms", "-"}
	if code := run(t.Context(), args, stuck, io.Discard, &stderr, noVariables); code != exitDelivery {
		t.Errorf("exit code %d: %s, want %v", code, stderr.String(), exitDelivery)
	}
}
