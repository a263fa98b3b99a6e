package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ownSymbols uploads the symbols of the program that it is part of.
type ownSymbols struct {
	Server string // address of the server
	Path   string // see executable
	// MaxDelay bounds the random time before the upload begins, because a fleet starts
	// all at once.
	MaxDelay time.Duration
	// Timeout bounds the upload.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Start begins an upload in the background and returns at once. The function that it
// returns waits for the end of the upload, which comes soon after that of ctx. Failures
// are only logged: the service works without the upload.
func (o ownSymbols) Start(ctx context.Context) (wait func()) {
	var running sync.WaitGroup
	running.Go(func() {
		if !rest(ctx, rand.N(o.MaxDelay+1)) {
			return
		}
		result, err := o.upload(ctx)
		switch {
		case ctx.Err() != nil: // the program ends
		case errors.Is(err, gosym.ErrNoDWARF):
			o.Logger.InfoContext(ctx, "symbols not uploaded: built with -ldflags=-s or -w, or run by go run")
		case err != nil:
			o.Logger.WarnContext(ctx, "symbols not uploaded", "error", err)
		default:
			o.Logger.InfoContext(ctx, "symbols uploaded", "scopes", result.ScopeCount)
		}
	})
	return running.Wait
}

func (o ownSymbols) upload(ctx context.Context) (client.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	binary, err := gosym.Open(ctx, o.Path, gosym.WithMainModule())
	if err != nil {
		return client.Result{}, err
	}
	defer func() { _ = binary.Close() }()
	c, err := client.Dial(o.Server)
	if err != nil {
		return client.Result{}, err
	}
	defer func() { _ = c.Close() }() // nothing stays open for the rest of the program's life
	metadata := client.Metadata{Service: binary.Service(), Version: new(binary.Version()), Language: "go"}
	return c.Upload(ctx, metadata, paced(ctx, binary.Packages()))
}

// How long paced rests after a package, as a multiple of the time that the package took,
// and at most.
const (
	restFactor = 4
	maxRest    = time.Second
)

// paced yields the same scopes, with a rest after each, so that finding and sending them
// takes a fifth of one core.
//
// Go has no priorities: goroutines have none, and GOMAXPROCS is for the whole program. So
// low priority is one goroutine that does little at a time and then sleeps. On Linux a
// program can do more: runtime.LockOSThread without unlocking, then
// syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19), which is for the calling thread alone.
func paced(ctx context.Context, scopes iter.Seq2[*symdbv1.Scope, error]) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		began := time.Now()
		for scope, err := range scopes {
			if !yield(scope, err) {
				return
			}
			if !rest(ctx, min(restFactor*time.Since(began), maxRest)) {
				yield(nil, ctx.Err())
				return
			}
			began = time.Now()
		}
	}
}

// rest returns after d, or sooner and with false when ctx ends.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// executable returns the path of the program's own file. On Linux that is the file that
// runs, even if it has been replaced since.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// A service uploads its own symbols once, some time after its start, in the background
// and at low priority.
func Example_ownSymbols() {
	server, err := clienttest.Start() // in place of `scopegate serve`
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	path, remove := programWithSymbols() // in a service: executable(). Tests are built without symbols
	defer remove()

	// In main, with a context that ends when the service shuts down.
	ctx, shutDown := context.WithCancel(context.Background())
	wait := ownSymbols{
		Server: server.Addr(), Path: path, MaxDelay: 10 * time.Millisecond, // in production a minute
		Timeout: 10 * time.Minute, Logger: exampleLogger(),
	}.Start(ctx)

	// The service serves. At its end it calls shutDown, which ends the upload, and then
	// wait. The example waits first, to let the upload succeed.
	wait()
	shutDown()
	// Output: level=INFO msg="symbols uploaded" scopes=1
}

// programWithSymbols builds a program.
func programWithSymbols() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range map[string]string{"go.mod": "module example.com/program", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
	}
	path = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		log.Fatal(fmt.Errorf("build: %w\n%s", err, output))
	}
	return path, func() { _ = os.RemoveAll(dir) }
}

// exampleLogger logs to stdout, without the time.
func exampleLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
