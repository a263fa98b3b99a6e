package gosym

import (
	"debug/dwarf"
	"slices"
	"testing"
)

// The order of instances is: the first literal on its line, instances with code, inlined
// ones, and wrappers.
func TestInstancesInOrder(t *testing.T) {
	t.Parallel()
	instances := []instance{
		{abstract: 1, wrapper: true},
		{abstract: 2},
		{abstract: 3, hasCode: true},
		{abstract: 4, first: true},
		{abstract: 5, hasCode: true, wrapper: true},
		{abstract: 6},
		{abstract: 7, hasCode: true, first: true},
		{abstract: 8, wrapper: true, first: true},
	}
	var got []dwarf.Offset
	for _, inst := range inOrder(instances) {
		got = append(got, inst.abstract)
	}
	if want := []dwarf.Offset{4, 7, 8, 3, 2, 6, 1, 5}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}
