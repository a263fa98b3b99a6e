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
	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ownSymbols uploads the symbols of the program that it is part of.
type ownSymbols struct {
	Server string // address of the server
	Path   string // see executable
	// MaxDelay bounds the random time before the upload begins: a fleet starts all at
	// once.
	MaxDelay time.Duration
	// Timeout bounds the upload, which no one waits for.
	Timeout time.Duration
	Logger  *slog.Logger
}

// Start begins an upload in the background, and returns at once. It ends, at the
// latest soon after ctx does, when the returned function does. What goes wrong is
// logged, and nothing else: a service is not less of a service without it.
func (o ownSymbols) Start(ctx context.Context) (wait func()) {
	var running sync.WaitGroup
	running.Go(func() {
		if !rest(ctx, rand.N(o.MaxDelay+1)) {
			return
		}
		summary, err := o.upload(ctx)
		switch {
		case ctx.Err() != nil: // the program ends; the upload has no final batch, and is nobody's loss
		case errors.Is(err, gosym.ErrNoDWARF):
			o.Logger.InfoContext(ctx, "symbols not uploaded: built with -ldflags=-s or -w, or run by go run")
		case err != nil:
			o.Logger.WarnContext(ctx, "symbols not uploaded", "error", err)
		default:
			o.Logger.InfoContext(ctx, "symbols uploaded", "scopes", summary.GetScopeCount())
		}
	})
	return running.Wait
}

func (o ownSymbols) upload(ctx context.Context) (*symdbv1.UploadScopesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	binary, err := gosym.Open(o.Path, gosym.MainModuleOnly())
	if err != nil {
		return nil, err
	}
	defer func() { _ = binary.Close() }()
	c, err := client.Dial(o.Server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing stays open for the rest of the program's life
	metadata := &symdbv1.UploadMetadata{Service: binary.Service(), Version: new(binary.Version()), Language: "go"}
	return c.UploadScopes(ctx, metadata, paced(ctx, binary.Packages()))
}

// How long paced rests after a package, as a multiple of how long that took, and at
// the most.
const (
	restFactor = 4
	maxRest    = time.Second
)

// paced yields the same scopes, with a rest after each: what is between two rests, to
// find a package's scopes and to send them, then takes a fifth of one core.
//
// Goroutines have no priority, and GOMAXPROCS is the whole program's. So low priority
// is this: one goroutine, that does little at a time and then sleeps. It is the
// scheduler's to interrupt it after 10 ms where others wait. On Linux one may do more:
// runtime.LockOSThread, never to unlock, and syscall.Setpriority(syscall.PRIO_PROCESS,
// 0, 19), which is for the calling thread alone.
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

// executable is where the program's own symbols are: on Linux in the file that runs,
// even where another one has been put in its place since.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// A service uploads its own symbols once, some time after its start, in the background
// and at low priority.
func Example_ownSymbols() {
	address, stop := exampleServer()
	defer stop()
	path, remove := programWithSymbols() // in a service: executable(). Tests are built without symbols
	defer remove()

	// In main, with a context that ends when the service is to end.
	ctx, shutDown := context.WithCancel(context.Background())
	wait := ownSymbols{
		Server: address, Path: path, MaxDelay: 10 * time.Millisecond, // in production a minute
		Timeout: 10 * time.Minute, Logger: exampleLogger(),
	}.Start(ctx)

	// The service serves. Then it shuts down, and would first end the upload, by
	// shutDown, and then wait for it. As an example it is of use only if it waits.
	wait()
	shutDown()
	// Output: level=INFO msg="symbols uploaded" scopes=5
}

func programWithSymbols() (path string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join("gosym", "testdata", "program")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
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
