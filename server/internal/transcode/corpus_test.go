package transcode_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// builtProgram builds a program of the Go tree: a binary under test leaves its
// DWARF out.
func builtProgram(t *testing.T, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, pkg)
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, output)
	}
	return path
}

// Every package of a real program.
func TestRealProgram(t *testing.T) {
	t.Parallel()
	binary, err := gosym.Open(t.Context(), builtProgram(t, "cmd/gofmt"))
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()

	packages, written := 0, 0
	for scope, err := range binary.Packages() {
		if err != nil {
			t.Fatal(err)
		}
		wire, err := proto.Marshal(scope)
		if err != nil {
			t.Fatal(err)
		}
		got := transcoded(t, wire)
		packages++
		written += len(got)

		back := &symdbv1.Scope{}
		if err := proto.Unmarshal(wire, back); err != nil {
			t.Fatal(err)
		}
		want, err := transcodetest.JSON(back)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			at := 0
			for at < min(len(got), len(want)) && got[at] == want[at] {
				at++
			}
			t.Fatalf("%s: differs at byte %d:\ngot  …%.200s\nwant …%.200s", scope.GetName(), at, got[at:], want[at:])
		}
		if !json.Valid(got) {
			t.Fatalf("%s: no JSON", scope.GetName())
		}
	}
	t.Logf("%d packages, %d bytes of JSON", packages, written)
	if packages < 50 || written < 1<<20 {
		t.Errorf("only %d packages with %d bytes of JSON", packages, written)
	}
}
