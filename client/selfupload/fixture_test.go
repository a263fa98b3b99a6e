package selfupload_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) {
	code := leak.Run(m)
	if folder, err := buildFolder(); err == nil {
		_ = os.RemoveAll(folder)
	}
	os.Exit(code)
}

// buildFolder is the directory of the program that tests upload. TestMain removes it.
var buildFolder = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "selfupload") })

// program is a program with symbols: tests are built without.
var program = sync.OnceValues(func() (string, error) {
	folder, err := buildFolder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "program")
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, ".")
	build.Dir = filepath.Join("..", "gosym", "testdata", "program")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func programPath(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
