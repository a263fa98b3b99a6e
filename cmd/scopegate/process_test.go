//go:build unix

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// TestProcessStopsOnSignal: the first signal stops the server in order, which an
// upload holds up; the second one at once.
func TestProcessStopsOnSignal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "scopegate")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-w -X main.version=tested", "-o", path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), path, "--version").Output(); err != nil || string(out) != "tested\n" {
		t.Errorf("version: %s, %v", out, err)
	}
	for _, test := range []struct {
		name string
		held bool
		want syscall.Signal
	}{
		{"first", false, 0},
		{"second", true, syscall.SIGTERM},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			process, stdout, stderr := startProcess(t, path, "serve", "--listen", "127.0.0.1:0", "--intake-url", "http://127.0.0.1:1/")
			stdout.Scan()
			address := strings.TrimPrefix(stdout.Text(), "listening on ")
			if test.held {
				holdUpload(t, address)
			}
			terminate(t, process)
			waitForLog(t, stderr, "msg=stopping")
			if test.held {
				terminate(t, process)
			}
			err := process.Wait()
			if status, ok := process.ProcessState.Sys().(syscall.WaitStatus); test.want != 0 {
				if !ok || status.Signal() != test.want {
					t.Errorf("ended with %v", err)
				}
			} else if err != nil {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

func startProcess(t *testing.T, path string, args ...string) (process *exec.Cmd, stdout, stderr *bufio.Scanner) {
	t.Helper()
	process = exec.CommandContext(t.Context(), path, args...)
	process.Env = append(os.Environ(), "SCOPEGATE_ADMIN_LISTEN=none")
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	logged, err := process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	return process, bufio.NewScanner(out), bufio.NewScanner(logged)
}

func terminate(t *testing.T, process *exec.Cmd) {
	t.Helper()
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

func waitForLog(t *testing.T, stderr *bufio.Scanner, want string) {
	t.Helper()
	for stderr.Scan() {
		if strings.Contains(stderr.Text(), want) {
			return
		}
	}
	t.Fatalf("the log ended without %q", want)
}

// holdUpload begins an upload that does not end before the test does, or gives it
// up. It returns once the server has the upload.
func holdUpload(t *testing.T, address string) (giveUp context.CancelFunc) {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, giveUp := context.WithCancel(t.Context())
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	metadata := &symdbv1.UploadMetadata{Service: "shop", Language: "ruby"}
	err = stream.Send(&symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}})
	if err != nil {
		t.Fatal(err)
	}
	// The header comes as soon as the metadata is accepted.
	if _, err := stream.Header(); err != nil {
		t.Fatal(err)
	}
	return giveUp
}
