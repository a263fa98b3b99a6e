package container

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*_v[12]")
	if err != nil || len(files) == 0 {
		f.Fatalf("seeds %v, %v, want some", files, err)
	}
	for _, file := range files {
		seed, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines []byte) {
		groups := parse(bytes.NewReader(lines))
		id := containerID(groups)
		if strings.Trim(id, "0123456789abcdef-_") != "" || len(id) > maxCgroupBytes {
			t.Errorf("container %q, want hexadecimal digits", id)
		}
		if id != "" && !bytes.Contains(lines, []byte("/"+id)) && !bytes.Contains(lines, []byte("-"+id)) && !bytes.Contains(lines, []byte(":"+id)) {
			t.Errorf("container %q is no element of a path in %q", id, lines)
		}
		for _, directory := range directories(groups) {
			if !filepath.IsLocal(filepath.Join(".", directory)) {
				t.Errorf("directory %q is outside the mount", directory)
			}
		}
	})
}
