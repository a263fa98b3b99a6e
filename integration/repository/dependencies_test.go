package repository_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// modules are the folders of the repository's modules: scopegate's, and those that keep
// out of it what only they need.
var modules = []string{"../..", "../../deploy", "../gates", "../grpctools", "../toxiproxy"}

// TestDependenciesHaveReasons: each module that a go.mod asks for directly has a row
// in docs/architecture.md, and each row has its module.
func TestDependenciesHaveReasons(t *testing.T) {
	t.Parallel()
	var required []string
	for _, module := range modules {
		required = append(required, directly(t, filepath.Join(module, "go.mod"))...)
	}
	explained := explainedDependencies(t)
	for _, path := range required {
		if !slices.Contains(explained, path) {
			t.Errorf("docs/architecture.md gives no reason for %s", path)
		}
	}
	for _, path := range explained {
		if !slices.Contains(required, path) {
			t.Errorf("docs/architecture.md gives a reason for %s, which no go.mod asks for", path)
		}
	}
}

// directly returns the modules that a go.mod asks for directly.
func directly(t *testing.T, path string) []string {
	t.Helper()
	var paths []string
	for _, required := range readGoMod(t, path).Require {
		if !required.Indirect {
			paths = append(paths, required.Path)
		}
	}
	return paths
}

// goMod is what a go.mod says.
type goMod struct {
	Go      string
	Require []struct {
		Path     string
		Indirect bool
	}
	Replace []struct{ Old struct{ Path string } }
}

func readGoMod(t *testing.T, path string) goMod {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var read goMod
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// explainedDependencies returns the modules in the table of docs/architecture.md.
func explainedDependencies(t *testing.T) []string {
	t.Helper()
	_, table, found := strings.Cut(read(t, "../../docs/architecture.md"), "\n## Dependencies\n")
	if !found {
		t.Fatal("docs/architecture.md has no section on dependencies")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var explained []string
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 4 || strings.TrimSpace(cells[2]) == "" || !strings.Contains(cells[1], ".") {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			explained = append(explained, strings.TrimSpace(name))
		}
	}
	if len(explained) == 0 {
		t.Fatal("the table of dependencies is empty")
	}
	return explained
}
