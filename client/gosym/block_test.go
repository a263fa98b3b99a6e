package gosym

import (
	"fmt"
	"strings"
	"testing"
)

func (b *block) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d-%d(", b.first, b.last)
	for _, v := range b.variables {
		fmt.Fprintf(&s, "%s %s %d %v;", v.name, v.typeName, v.line, v.lines)
	}
	for _, inner := range b.blocks {
		s.WriteString(inner.String())
	}
	return s.String() + ")"
}

// TestBlocksOfInstances unites instances of a function with two nested blocks, of which the
// compiler has kept one or both.
func TestBlocksOfInstances(t *testing.T) {
	t.Parallel()
	declare := func(name, typeName string, line, last int32) []variable {
		return []variable{{name: name, typeName: typeName, line: line, lines: []span{{last, last}}}}
	}
	function := func(blocks ...*block) *block {
		return &block{variables: []variable{{name: "n", typeName: "int", arg: true, lines: []span{{1, 1}}}}, blocks: blocks}
	}
	inner := func() *block { return &block{first: 4, last: 5, variables: declare("i", "int", 4, 5)} }
	outer := func(blocks ...*block) *block {
		return &block{first: 3, last: 6, variables: declare("o", "string", 3, 4), blocks: blocks}
	}
	other := func() *block { return &block{first: 8, last: 9, variables: declare("i", "T", 8, 9)} }
	const both = "0-0(n int 0 [{1 1}];3-6(o string 3 [{4 4}];4-5(i int 4 [{5 5}];)))"
	tests := []struct {
		name   string
		blocks []*block
		with   []*block
		want   string
	}{
		{"the same", []*block{outer(inner())}, []*block{outer(inner())}, both},
		{"the outer one more", []*block{inner()}, []*block{outer(inner())}, both},
		{"the outer one less", []*block{outer(inner())}, []*block{inner()}, both},
		{"one each", []*block{outer()}, []*block{outer(inner())}, both},
		{"none", nil, []*block{outer(inner())}, both},
		{
			"of the same name",
			[]*block{outer(inner())},
			[]*block{other()},
			"0-0(n int 0 [{1 1}];3-6(o string 3 [{4 4}];4-5(i int 4 [{5 5}];))8-9(i T 8 [{9 9}];))",
		},
	}
	for _, tt := range tests {
		f := function(tt.blocks...)
		f.unite(f, function(tt.with...), false, unchecked())
		if got := f.String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestVariablesOfInstances(t *testing.T) {
	t.Parallel()
	one := &block{variables: []variable{
		{name: "a", typeName: "p.T[int]", arg: true, lines: []span{{1, 2}}}, {name: "v", typeName: "int", line: 3},
	}}
	two := &block{variables: []variable{
		{name: "a", typeName: "p.T[string]", arg: true, lines: []span{{2, 4}}},
		{name: "v", typeName: "string", line: 3, lines: []span{{4, 4}}},
		{name: "w", typeName: "bool", line: 4},
	}}
	wrapper := &block{variables: []variable{
		{name: "a", typeName: "p.T[bool]", arg: true, lines: []span{{9, 9}}}, {name: "~r0", typeName: "bool", arg: true},
	}}
	one.unite(one, two, false, unchecked())
	one.unite(one, wrapper, true, unchecked())
	const want = "0-0(a p.T[...] 0 [{1 4} {9 9}];v <T> 3 [{4 4}];w bool 4 [];)"
	if got := one.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Lines of 0 are unknown.
func TestBlocksSpread(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ lines, other, want [2]int32 }{
		{[2]int32{3, 5}, [2]int32{4, 6}, [2]int32{3, 6}},
		{[2]int32{3, 5}, [2]int32{2, 4}, [2]int32{2, 5}},
		{[2]int32{3, 5}, [2]int32{0, 0}, [2]int32{3, 5}},
		{[2]int32{0, 0}, [2]int32{3, 5}, [2]int32{3, 5}},
		{[2]int32{1, 5}, [2]int32{3, 5}, [2]int32{1, 5}},
	} {
		b := &block{first: tt.lines[0], last: tt.lines[1]}
		b.spread(&block{first: tt.other[0], last: tt.other[1]})
		if got := [2]int32{b.first, b.last}; got != tt.want {
			t.Errorf("%v with %v: %v, want %v", tt.lines, tt.other, got, tt.want)
		}
	}
}
