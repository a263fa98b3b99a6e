package gosym_test

import (
	"strings"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"

	"github.com/google/go-cmp/cmp"
)

//nolint:dupword // a block has no name, so that "local" stands before "local"
const mainOutline = `package main
  function arguments
    arg a int
    arg b string
    arg c []uint8
    arg n int
    arg err error
  function blocks
    arg limit int
    arg ~r0 int
    local total int
    local 
      local i int
      local 
        local square int
        local 
          local rest int
  function closures
    arg n int
    arg ~r0 func() int
    local count int
  function closures.func1
    arg ~r0 int
    local count int
  function escapes
    arg n int
    arg ~r0 *int
    local moved int
  function inlinedOnly
    arg x int
    local twice int
  function main
    local n int
  function touch
    arg n int
`

const plainOutline = `package example.com/program/v2/plain.v2
  function Function
    arg n int
    arg ~r0 int
  struct example.com/program/v2/plain.v2.Value
    field N int
`

const typesOutline = `struct SHAPE.Box[...]
  field Count int
  field value <T>
  field list <T>
  method Put
    arg b *SHAPE.Box[...]
    arg v <T>
struct SHAPE.Factor
  method Apply
    arg f SHAPE.Factor
    arg n int
    arg ~r0 int
struct SHAPE.Rect
  field Width int
  field Height int
  field label string
  field next *SHAPE.Rect
  field inner example.com/program/v2/plain.v2.Value
  field scale SHAPE.Factor
  method Area
    arg r SHAPE.Rect
    arg ~r0 int
  method Grow
    arg r *SHAPE.Rect
    arg by int
  method Grow.func1
    arg n int
    local r *SHAPE.Rect
    local by int
`

func TestOutline(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	if got := outline(all["main"]); got != mainOutline {
		t.Errorf("main (-want +got):\n%s", cmp.Diff(mainOutline, got))
	}
	if got := outline(all[plainPackage]); got != plainOutline {
		t.Errorf("plain (-want +got):\n%s", cmp.Diff(plainOutline, got))
	}
	var types strings.Builder
	var functions []string
	for _, s := range all[shapePackage].GetScopes() {
		if s.GetScopeType() == "struct" {
			types.WriteString(outline(s))
			continue
		}
		functions = append(functions, s.GetName())
	}
	if got := strings.ReplaceAll(types.String(), shapePackage, "SHAPE"); got != typesOutline {
		t.Errorf("types of shape (-want +got):\n%s", cmp.Diff(typesOutline, got))
	}
	if got := strings.Join(functions, " "); got != "All All.func1 All.func2 Map[...] each measure" {
		t.Errorf("functions of shape: %s, want %q", got, "All All.func1 All.func2 Map[...] each measure")
	}
}

func TestQualifiedNames(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	shape := all[shapePackage]
	rect := child(t, shape, "struct", shapePackage+".Rect")
	tests := []struct {
		scope *symdbv1.Scope
		want  string
	}{
		{child(t, all["main"], "function", "blocks"), "main.blocks"},
		{child(t, all["main"], "function", "closures.func1"), "main.closures.func1"},
		{child(t, all[plainPackage], "function", "Function"), programModule + "/plain%2ev2.Function"},
		{child(t, shape, "function", "Map[...]"), shapePackage + ".Map[...]"},
		{child(t, rect, "method", "Area"), shapePackage + ".Rect.Area"},
		{child(t, rect, "method", "Grow"), shapePackage + ".(*Rect).Grow"},
		{child(t, rect, "method", "Grow.func1"), shapePackage + ".(*Rect).Grow.func1"},
		{
			child(t, child(t, shape, "struct", shapePackage+".Box[...]"), "method", "Put"),
			shapePackage + ".(*Box[...]).Put",
		},
	}
	for _, tt := range tests {
		if got := tt.scope.GetLanguageSpecifics().GetGoQualifiedName(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	lines, shapeLines := marks(t, "main.go"), marks(t, "shape/shape.go")
	rect := child(t, all[shapePackage], "struct", shapePackage+".Rect")
	box := child(t, all[shapePackage], "struct", shapePackage+".Box[...]")
	tests := []struct {
		scope      *symdbv1.Scope
		file       string
		start, end int32
		injectible []int32
		not        []int32
	}{
		{
			child(t, all["main"], "function", "arguments"), "main.go", lines["arguments"], lines["arguments-end"],
			[]int32{lines["arguments-sum"], lines["arguments-more"], lines["arguments-end"]},
			[]int32{lines["arguments"] - 1, lines["arguments-end"] + 2},
		},
		{
			child(t, all["main"], "function", "blocks"), "main.go", lines["blocks"], lines["blocks-end"],
			[]int32{lines["loop"], lines["square"], lines["rest"], lines["loop-end"], lines["blocks-end"]},
			[]int32{lines["blocks-end"] - 1},
		},
		{
			child(t, all["main"], "function", "inlinedOnly"), "main.go", lines["inlined"], lines["twice-used"],
			[]int32{lines["twice-used"]},
			[]int32{lines["inlined"], lines["closures"]},
		},
		{
			child(t, all["main"], "function", "closures.func1"), "main.go", lines["closure"], lines["closure-end"],
			[]int32{lines["closure-body"], lines["closure-end"]},
			[]int32{lines["closures"]},
		},
		{
			child(t, rect, "method", "Area"), "shape/shape.go", shapeLines["area"], shapeLines["area-end"],
			[]int32{shapeLines["area-end"]},
			nil,
		},
		{
			child(t, box, "method", "Put"), "shape/shape.go", shapeLines["put"], shapeLines["put-end"] + 1,
			[]int32{shapeLines["put-body"], shapeLines["put-end"]},
			nil,
		},
		{
			child(t, all[shapePackage], "function", "Map[...]"), "shape/shape.go", shapeLines["map"], shapeLines["map-end"],
			[]int32{shapeLines["map-out"], shapeLines["map-loop"], shapeLines["map-append"], shapeLines["map-end"]},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.scope.GetName(), func(t *testing.T) {
			t.Parallel()
			if got := tt.scope.GetSourceFile(); got != programModule+"/"+tt.file {
				t.Errorf("source file %s, want %v", got, programModule+"/"+tt.file)
			}
			if got := tt.scope.GetStartLine(); got != tt.start {
				t.Errorf("start line %d, want %d", got, tt.start)
			}
			if got := tt.scope.GetEndLine(); got != tt.end {
				t.Errorf("end line %d, want %d", got, tt.end)
			}
			if !tt.scope.GetHasInjectibleLines() {
				t.Error("has no injectible lines")
			}
			ascending(t, tt.scope.GetInjectibleLines())
			for _, line := range tt.injectible {
				if !has(tt.scope.GetInjectibleLines(), line) {
					t.Errorf("line %d is not injectible: %v", line, tt.scope.GetInjectibleLines())
				}
			}
			for _, line := range tt.not {
				if has(tt.scope.GetInjectibleLines(), line) {
					t.Errorf("line %d is injectible: %v", line, tt.scope.GetInjectibleLines())
				}
			}
		})
	}
}

// ascending checks that ranges are in order and disjoint.
func ascending(t *testing.T, ranges []*symdbv1.LineRange) {
	t.Helper()
	last := int32(0)
	for _, r := range ranges {
		if r.GetStart() <= last || r.GetEnd() < r.GetStart() {
			t.Errorf("ranges are not ascending: %v", ranges)
		}
		last = r.GetEnd()
	}
}

func TestBlocksNest(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	lines := marks(t, "main.go")
	blocks := child(t, all["main"], "function", "blocks")
	loop := child(t, blocks, "local", "")
	body := child(t, loop, "local", "")
	inner := child(t, body, "local", "")
	for _, tt := range []struct {
		scope *symdbv1.Scope
		inner *symdbv1.Scope
		line  int32
	}{{blocks, loop, lines["loop"]}, {loop, body, lines["loop-end"]}, {body, inner, lines["rest-used"]}} {
		outer, inner := tt.scope, tt.inner
		if inner.GetStartLine() < outer.GetStartLine() || inner.GetEndLine() > outer.GetEndLine() {
			t.Errorf("block of lines %d to %d lies in one of lines %d to %d, want StartLine at least %v and EndLine at most %v", inner.GetStartLine(), inner.GetEndLine(), outer.GetStartLine(), outer.GetEndLine(), outer.GetStartLine(), outer.GetEndLine())
		}
		if tt.line < inner.GetStartLine() || tt.line > inner.GetEndLine() {
			t.Errorf("line %d is not in the block of lines %d to %d", tt.line, inner.GetStartLine(), inner.GetEndLine())
		}
		if inner.Name == nil || inner.SourceFile != nil || inner.HasInjectibleLines != nil {
			t.Errorf("a block has an empty name, and no file or injectible lines: %v", inner)
		}
	}
}

func TestAvailableLines(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	lines := marks(t, "main.go")
	function := func(name string) *symdbv1.Scope { return child(t, all["main"], "function", name) }
	loop := child(t, function("blocks"), "local", "")
	inner := child(t, child(t, loop, "local", ""), "local", "")
	tests := []struct {
		symbol    *symdbv1.Symbol
		declared  int32
		available []int32
		not       []int32
	}{
		{symbol(t, function("arguments"), "a"), lines["arguments"], []int32{lines["arguments-sum"]}, nil},
		{symbol(t, function("blocks"), "total"), lines["total"], []int32{lines["square"], lines["blocks-end"]}, []int32{lines["total"]}},
		{symbol(t, loop, "i"), lines["loop"], []int32{lines["square"]}, []int32{lines["blocks-end"], lines["blocks"]}},
		{symbol(t, inner, "rest"), lines["rest"], []int32{lines["rest-used"]}, []int32{lines["square"], lines["loop-end"]}},
		{symbol(t, function("inlinedOnly"), "x"), lines["inlined"], []int32{lines["twice"]}, nil},
		{symbol(t, function("inlinedOnly"), "twice"), lines["twice"], nil, []int32{lines["twice"], lines["twice-used"]}},
		{symbol(t, function("escapes"), "moved"), lines["moved"], []int32{lines["moved"] + 1}, []int32{lines["escapes"]}},
		{symbol(t, function("escapes"), "~r0"), lines["escapes"], nil, []int32{lines["moved"]}},
	}
	for _, tt := range tests {
		t.Run(tt.symbol.GetName(), func(t *testing.T) {
			t.Parallel()
			if got := tt.symbol.GetLine(); got != tt.declared {
				t.Errorf("line %d, want %d", got, tt.declared)
			}
			ranges := tt.symbol.GetLanguageSpecifics().GetAvailableLineRanges()
			ascending(t, ranges)
			for _, line := range tt.available {
				if !has(ranges, line) {
					t.Errorf("not available in line %d: %v", line, ranges)
				}
			}
			for _, line := range tt.not {
				if has(ranges, line) {
					t.Errorf("available in line %d: %v", line, ranges)
				}
			}
			if len(ranges) == 0 && tt.symbol.GetLanguageSpecifics() != nil {
				t.Error("empty language specifics")
			}
		})
	}
}

// TestEveryScopeIsSendable checks what the service requires of any scope, on the
// whole binary, standard library included.
func TestEveryScopeIsSendable(t *testing.T) {
	t.Parallel()
	for _, scope := range everything(t) {
		names := map[string]bool{}
		for _, s := range scope.GetScopes() {
			key := s.GetScopeType() + " " + s.GetName()
			if names[key] {
				t.Errorf("%s has %s twice", scope.GetName(), key)
			}
			names[key] = true
		}
		sendable(t, scope, scope.GetName(), 1)
	}
}

func sendable(t *testing.T, s *symdbv1.Scope, path string, depth int) {
	t.Helper()
	if s.GetScopeType() == "" || s.Name == nil || depth > 60 {
		t.Errorf("%s: scope type %q, depth %d, want a type and a name, and a depth of 60 at most", path, s.GetScopeType(), depth)
	}
	if s.GetEndLine() < s.GetStartLine() || s.GetHasInjectibleLines() != (len(s.GetInjectibleLines()) > 0) {
		t.Errorf("%s: lines %d to %d, injectible %v, want an end behind the start, and what is said of the lines", path, s.GetStartLine(), s.GetEndLine(), s.GetInjectibleLines())
	}
	ascending(t, s.GetInjectibleLines())
	for _, y := range s.GetSymbols() {
		if y.Name == nil || y.Type == nil || y.GetType() == "" || y.GetSymbolType() == "" || strings.Contains(y.GetType(), "go.shape.") {
			t.Errorf("%s: symbol %v, want a name and types, and none of a shape", path, y)
		}
		ascending(t, y.GetLanguageSpecifics().GetAvailableLineRanges())
	}
	for _, child := range s.GetScopes() {
		sendable(t, child, path+"/"+child.GetName(), depth+1)
	}
}
