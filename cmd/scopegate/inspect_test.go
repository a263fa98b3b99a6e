package main

import (
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
)

// The output of inspect --ndjson decodes to the scopes of the binary.
func TestInspectedScopesCanBeReadAgain(t *testing.T) {
	t.Parallel()
	path := binaryWithDWARF(t)
	got := execute(t, "", "inspect", "--ndjson", path)
	if got.code != exitOK || got.stderr != "" {
		t.Fatalf("code %d, %q, want %d and nothing", got.code, got.stderr, exitOK)
	}
	program, err := gosym.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	lines := strings.SplitAfter(strings.TrimSuffix(got.stdout, "\n"), "\n")
	if len(lines) != program.PackageCount() {
		t.Fatalf("%d lines, want %d", len(lines), program.PackageCount())
	}
	for want, err := range program.Packages() {
		if err != nil {
			t.Fatal(err)
		}
		scopes, err := ndjson.Decode([]byte(lines[0]))
		if err != nil || len(scopes) != 1 || !proto.Equal(scopes[0], want) {
			t.Errorf("package %s: %v, or another scope, want the same", want.GetName(), err)
		}
		lines = lines[1:]
	}
}

func TestInspectToBrokenPipe(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{nil, {"--ndjson"}} {
		var stderr strings.Builder
		args := append([]string{"inspect", binaryWithDWARF(t)}, flags...)
		code := run(t.Context(), args, strings.NewReader(""), failing{syscall.EPIPE}, &stderr, noVariables)
		if code != exitOK || stderr.String() != "" {
			t.Errorf("%v: exit code %d, %q; want %d and nothing", flags, code, stderr.String(), exitOK)
		}
	}
}

func TestInspectRefusesOtherFormats(t *testing.T) {
	t.Parallel()
	got := execute(t, "", "inspect", file(t, "\xca\xfe\xba\xbe\x00\x00\x00\x41"))
	if got.code != exitInput || !strings.Contains(got.stderr, "a Java class") {
		t.Errorf("got %+v, want code %d and a Java class", got, exitInput)
	}
}
