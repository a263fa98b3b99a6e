package gosym_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
)

func TestNewBinary(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := gosym.NewBinary(t.Context(), bytes.NewReader(content), int64(len(content)), gosym.WithMainModule())
	if err != nil {
		t.Fatal(err)
	}
	got, want := packages(t, b), mainModule(t)
	if len(got) != len(want) {
		t.Errorf("%d packages, want %d", len(got), len(want))
	}
	for name, scope := range got {
		if !proto.Equal(scope, want[name]) {
			t.Errorf("package %s differs", name)
		}
	}
	if _, err := gosym.NewBinary(t.Context(), strings.NewReader("text"), 4); !errors.Is(err, gosym.ErrFormat) {
		t.Errorf("of text: %v, want %v", err, gosym.ErrFormat)
	}
}

// A debug link is relative to a file, and a reader has none.
func TestNewBinaryFollowsBuildIDOnly(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	folder := t.TempDir()
	stripped := withDebugLink(t, s.stripped, linkTo("shop.debug", s.debug))
	_, err := gosym.NewBinary(t.Context(), bytes.NewReader(stripped), int64(len(stripped)), gosym.WithDebugDirectories(folder))
	if !errors.Is(err, gosym.ErrNoDWARF) || strings.Contains(err.Error(), "shop.debug") {
		t.Errorf("got %v, want %v without shop.debug", err, gosym.ErrNoDWARF)
	}
	debug := place(t, s.debug, folder, ".build-id", splitID[:2], splitID[2:]+".debug")
	b, err := gosym.NewBinary(t.Context(), bytes.NewReader(stripped), int64(len(stripped)), gosym.WithDebugDirectories(folder))
	if err != nil {
		t.Fatal(err)
	}
	if got := b.DebugFile(); got != debug {
		t.Errorf("DebugFile() = %q, want %q", got, debug)
	}
}

func TestOpenSelf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "self")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", path, "./testdata/self")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Fields(string(out))
	for _, want := range []string{"main", "github.com/scopegate/scopegate/client/gosym"} {
		if !slices.Contains(got, want) {
			t.Errorf("packages %v, want %s among them", got, want)
		}
	}
	for _, name := range got {
		if name != "main" && !strings.HasPrefix(name, "github.com/scopegate/scopegate/") {
			t.Errorf("package %s, want those of the main module only", name)
		}
	}
}

// A test's own binary has no DWARF, and no debug file.
func TestOpenSelfOfTest(t *testing.T) {
	t.Parallel()
	if _, err := gosym.OpenSelf(t.Context()); !errors.Is(err, gosym.ErrNoDWARF) {
		t.Errorf("got %v, want %v", err, gosym.ErrNoDWARF)
	}
}

func TestOpenIsCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	checks := 0
	check := func() error {
		if checks++; checks == 100 {
			cancel()
		}
		return nil
	}
	if _, err := gosym.Open(ctx, program(t), gosym.WithCheckpoint(check)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if checks != 100 {
		t.Errorf("it checked %d times, want none after the end of the context", checks)
	}
}

// The caller's function can stop the work anywhere: in sections, a debug file, entries and
// the index.
func TestCheckpointStops(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	folder := t.TempDir()
	exe := place(t, withDebugLink(t, s.stripped, linkTo("shop.debug", s.debug)), folder, "shop")
	place(t, s.debug, folder, "shop.debug")
	stop := errors.New("stop")
	checks, limit := 0, 0
	check := func() error {
		if checks++; checks == limit {
			return stop
		}
		return nil
	}
	b, err := gosym.Open(t.Context(), exe, gosym.WithCheckpoint(check))
	if err != nil {
		t.Fatal(err)
	}
	opening := checks
	if opening < 100 {
		t.Errorf("%d checkpoints while it is opened, want some hundreds", opening)
	}
	for _, limit = range []int{1, 2, 50, opening / 2, opening * 9 / 10, opening} {
		checks = 0
		if _, err := gosym.Open(t.Context(), exe, gosym.WithCheckpoint(check)); !errors.Is(err, stop) || checks != limit {
			t.Errorf("stop at checkpoint %d of %d: %v after %d, want %v", limit, opening, err, checks, stop)
		}
	}
	limit, checks = 50, 0
	var last error
	for _, err := range b.Packages() {
		last = err
	}
	if !errors.Is(last, stop) || checks != limit {
		t.Errorf("range over packages: %v after %d checkpoints, want %v after %d", last, checks, stop, limit)
	}
}
