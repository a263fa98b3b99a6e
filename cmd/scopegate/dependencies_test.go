package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestDependenciesHaveReasons: each module that go.mod asks for directly has a row
// in docs/architecture.md, and each row has its module.
func TestDependenciesHaveReasons(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", "../../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var module struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(document), "\n## Dependencies\n")
	if !found {
		t.Fatal("docs/architecture.md has no section on dependencies")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var explained []string
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) != 4 || strings.TrimSpace(cells[2]) == "" || !strings.Contains(cells[1], ".") {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			explained = append(explained, strings.TrimSpace(name))
		}
	}
	if len(explained) == 0 {
		t.Fatal("the table of dependencies is empty")
	}
	for _, required := range module.Require {
		i := slices.Index(explained, required.Path)
		switch {
		case !required.Indirect && i < 0:
			t.Errorf("docs/architecture.md gives no reason for %s", required.Path)
		case !required.Indirect:
			explained = slices.Delete(explained, i, i+1)
		}
	}
	for _, name := range explained {
		t.Errorf("docs/architecture.md gives a reason for %s, which go.mod does not ask for", name)
	}
}
