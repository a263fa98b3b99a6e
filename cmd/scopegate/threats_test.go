package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatsNameTheirTests: each threat in docs/security.md names tests, and these
// exist.
func TestThreatsNameTheirTests(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := testNames(t, "../..")
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	_, threats, _ := strings.Cut(string(document), "\n## Threats\n")
	threats, _, _ = strings.Cut(threats, "\n## ")
	count := 0
	for row := range strings.Lines(threats) {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || strings.TrimSpace(cells[1]) == "threat" || strings.HasPrefix(cells[1], "---") {
			continue
		}
		count++
		tests := named.FindAllStringSubmatch(cells[3], -1)
		if len(tests) == 0 {
			t.Errorf("no test is named for the threat:%s", cells[1])
		}
		for _, test := range tests {
			if !exists[test[1]] {
				t.Errorf("there is no %s, which is to cover:%s", test[1], cells[1])
			}
		}
	}
	if count == 0 {
		t.Error("docs/security.md has no threats")
	}
}

// testNames returns the tests and fuzz targets in the module at root, and in those
// within it.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".tmp" || entry.Name() == ".git" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, match := range function.FindAllSubmatch(source, -1) {
			names[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
