package repository_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatsNameTheirTests: each threat in docs/security.md names tests, and these exist.
func TestThreatsNameTheirTests(t *testing.T) {
	t.Parallel()
	exists := testNames(t, "../..")
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*(?:/[a-z_]+)?)`")
	const path, least = "../../docs/security.md", 60
	_, table, found := strings.Cut(read(t, path), "\n## Threats\n")
	if !found {
		t.Fatalf("%s has no threats", path)
	}
	count := 0
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") {
			continue
		}
		tests := named.FindAllStringSubmatch(cells[3], -1)
		switch title := strings.TrimSpace(cells[1]); {
		case title == "threat":
			continue
		case len(tests) == 0:
			t.Errorf("%s: no test is named for %s", path, title)
		}
		count++
		for _, test := range tests {
			if !exists[test[1]] {
				t.Errorf("%s: there is no %s, which is to cover %s", path, test[1], cells[1])
			}
		}
	}
	if count < least {
		t.Errorf("%s has %d rows, want at least %d", path, count, least)
	}
}

// testNames returns the tests, scripts and fuzz targets in the module at root, and in those
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
		case strings.HasSuffix(path, ".txtar"):
			names["TestScripts/"+strings.TrimSuffix(entry.Name(), ".txtar")] = true
			return nil
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
