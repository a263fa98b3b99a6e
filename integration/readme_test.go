package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// printed is where README.md's commands expect server and intake: the two addresses
// are all that is put in place of what is printed.
const (
	printedServer = "127.0.0.1:50051"
	printedIntake = "http://127.0.0.1:8126/symdb/v1/input"
)

// section returns the blocks of shell commands below a heading of README.md.
func section(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("README.md has no section %q", heading)
	}
	below, _, _ = strings.Cut(below, "\n## ")
	var blocks []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(below, -1) {
		blocks = append(blocks, block[1])
	}
	return blocks
}

// TestReadme runs the commands of README.md's section for grpcurl and ghz: the first
// block starts the server, the second one calls it. `make readme` installs both tools.
func TestReadme(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "grpcurl", "ghz"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: run `make readme`", tool)
		}
	}
	blocks := section(t, "Call it by hand")
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d blocks of commands for grpcurl and ghz, want 2", len(blocks))
	}
	serve, hasServe := strings.CutPrefix(strings.TrimSpace(blocks[0]), "bin/scopegate serve ")
	serve, hasIntake := strings.CutSuffix(serve, "--intake-url "+printedIntake)
	if !hasServe || !hasIntake {
		t.Fatalf("the server is started by %q, want serve and intake", blocks[0])
	}
	intake := testbed.StartIntake(t, nil)
	server := testbed.StartProcess(t, intake.URL(), "127.0.0.1:0", strings.Fields(serve)...)
	for _, tool := range []string{"grpcurl", "ghz"} {
		if !strings.Contains(blocks[1], "\n"+tool+" ") && !strings.HasPrefix(blocks[1], tool+" ") {
			t.Errorf("README.md has no command of %s", tool)
		}
	}
	script := "set -euo pipefail\n" + strings.ReplaceAll(blocks[1], printedServer, server.Address)
	command := exec.CommandContext(testbed.Context(t), "bash", "-c", script)
	command.Dir = t.TempDir()
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, output)
	}
	const calls = 200 // by ghz, which succeeds whatever the calls do
	for _, want := range []string{
		"symdb.v1.SymbolDatabaseService", // grpcurl's list
		"message Scope {",                // grpcurl's description
		`"scopeCount": "2"`,              // grpcurl's upload
		fmt.Sprintf(`\[OK\] +%d responses`, calls),
	} {
		if !regexp.MustCompile(want).Match(output) {
			t.Errorf("no %q in the output", want)
		}
	}
	if posts := len(intake.Posts()); posts != calls+1 {
		t.Errorf("the intake has %d batches, want %d", posts, calls+1)
	}
	if t.Failed() {
		t.Logf("%s\n%s", script, output)
	}
}
