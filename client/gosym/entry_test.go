package gosym_test

import (
	"path/filepath"
	"testing"

	"github.com/scopegate/scopegate/client/gosym"
)

// Entries, PC ranges and rows equal those of debug/dwarf, for DWARF 5, with which Go
// programs are built, and for DWARF 4.
func TestEntriesAgreeWithDebugDwarf(t *testing.T) {
	t.Parallel()
	if err := gosym.CompareWithDwarf(program(t)); err != nil {
		t.Error(err)
	}
	if testing.Short() {
		t.Skip("builds the runtime with DWARF 4")
	}
	four, err := buildProgram(filepath.Join(t.TempDir(), "program"), "GOEXPERIMENT=nodwarf5")
	if err != nil {
		t.Fatal(err)
	}
	if err := gosym.CompareWithDwarf(four); err != nil {
		t.Errorf("DWARF 4: %v", err)
	}
}
