package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// mostBytes is by how much, at most, batches may be larger than what compress/gzip makes of the same
// JSON at level 6. `make bench` has what they are.
var mostBytes = map[string]float64{
	"cmd/gofmt, whole packages":            0.065,
	"cmd/gofmt, function-sized messages":   0.065,
	"cmd/go, whole packages":               0.06,
	"cmd/go, function-sized messages":      0.06,
	"cmd/compile, whole packages":          -0.013,
	"cmd/compile, function-sized messages": -0.01,
}

// TestSizes holds the default compression to its sizes: an encoder that misses matches shows nowhere
// else. SCOPEGATE_CORPUS names binaries to read instead of a small one.
func TestSizes(t *testing.T) {
	t.Parallel()
	binaries := strings.Fields(os.Getenv("SCOPEGATE_CORPUS"))
	if len(binaries) == 0 {
		path := filepath.Join(t.TempDir(), "gofmt")
		build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "cmd/gofmt")
		build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build cmd/gofmt: %v\n%s", err, output)
		}
		binaries = []string{path}
	}
	corpora, err := loadCorpora(binaries)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corpora {
		size, err := runEncode(transcodetest.Plan(), pool, c)
		if err != nil {
			t.Fatal(err)
		}
		got := float64(size)/float64(c.gzip6) - 1
		t.Logf("%s: %d bytes, %+.1f%%", c.name, size, 100*got)
		if most, ok := mostBytes[c.name]; !ok || got > most {
			t.Errorf("%s: %+.1f%% to compress/gzip -6, want at most %+.1f%%", c.name, 100*got, 100*most)
		}
	}
}
