package gosym

import (
	"testing"
	"unsafe"
)

// A path may be part of a section, such as a compilation directory `C:`, but scopes outlive
// the sections.
func TestPathsAreCopied(t *testing.T) {
	t.Parallel()
	path := view([]byte("C:"))
	all := newFiles()
	n, err := all.number(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := all.path(n); got != path || unsafe.StringData(got) == unsafe.StringData(path) {
		t.Errorf("%q, want a copy of %q", got, path)
	}
}
