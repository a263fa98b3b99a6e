package gosym_test

import (
	"strings"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"

	"github.com/google/go-cmp/cmp"
)

// kindsOutline has the declarations of package kinds. The compiler describes some of
// them twice, in pieces or in another function, and adds many of its own.
//
//nolint:dupword // a block has no name, so that "local" stands before "local"
const kindsOutline = `package KINDS
  function All
    arg n int
    arg f func(int) int
    local g func(int) int
  function All.func1
    arg m int
    arg ~r0 int
    local f func(int) int
  function All.func2
    arg ~r0 int
    local m int
  function Apart
    arg n int
    arg ~r0 KINDS.Pair
    arg text string
    arg ~r2 interface {}
    local p KINDS.Pair
  function At
    arg n int
    arg ~r0 int
    local m int
    local text string
  function At.func1
    arg k int
    arg ~r0 int
    local n int
    local text string
  function Caller
    arg n int
    arg ~r0 int
    local p *int
  function Deferred
    arg n int
    arg ~r0 int
    arg ~r1 bool
  function Escaped
    arg x int
    arg y [40]int
    arg r int
  function First
    arg n int
    arg ~r0 int
  function First.func1
    arg i int
    arg ~r0 int
  function Loops
    arg n int
    arg out int
  function Loops-range1
    arg i int
    arg text string
    local out int
  function Loops-range2
    arg j int
  function Named
    arg n int
    arg sum int
    arg text string
  function Named.func1
    local sum int
    local 
      local r interface {}
  function Nothing
    arg n int
    arg ~r0 int
    local a int
    local b int
  function Parts
    arg q KINDS.Whole
    arg n int
    arg ~r0 int
    local vnumber int
    local v KINDS.Whole
    local w KINDS.Whole
  function Run
    arg n int
    arg ~r0 int
    local m int
  function Second
    arg n int
    arg ~r0 int
  function Second.func1
    arg i int
    arg ~r0 int
  function Second.func2
    arg i int
    arg ~r0 int
  function Something
    arg n int
    arg ~r0 int
    local b int
    local a int
  function each.func1
    arg yield func(int, string) bool
    local i int
  function grammar
    arg n int
    arg ~r0 int
    local a int
  function keepToo[...]
    arg v <T>
    arg n int
    arg ~r0 <T>
    arg ~r1 int
    local kept <T>
  function keep[...]
    arg v <T>
    arg n int
    arg ~r0 <T>
    arg ~r1 int
    local kept <T>
  function touch
    arg n int
  struct KINDS.Pair
    field number int
    field text string
  struct KINDS.Whole
    field Unlike KINDS.Unlike
    field _ [0]func()
    field number int
    field text string
`

func TestOnlyWhatWasWritten(t *testing.T) {
	t.Parallel()
	all := mainModule(t)
	if got := strings.ReplaceAll(outline(all[kindsPackage]), kindsPackage, "KINDS"); got != kindsOutline {
		t.Errorf("kinds (-want +got):\n%s", cmp.Diff(kindsOutline, got))
	}
	const assembly = "package ASM\n  function Twice\n    arg n int\n    arg ~r0 int\n"
	if got := strings.ReplaceAll(outline(all[asmPackage]), asmPackage, "ASM"); got != assembly {
		t.Errorf("assembly, want %v:\n%s", assembly, got)
	}
}

func TestEscapedArgumentsAreOnTheHeap(t *testing.T) {
	t.Parallel()
	escaped := child(t, mainModule(t)[kindsPackage], "function", "Escaped")
	lines := marks(t, "kinds/kinds.go")
	for _, tt := range []struct {
		name           string
		available, not string
	}{
		// Nothing is left of the address of x, and the argument has an old value.
		{"x", "", "escaped-after"},
		{"y", "escaped-after", ""},
		// The result moves to the heap after the beginning of the function.
		{"r", "escaped-after", "escaped-before"},
	} {
		ranges := symbol(t, escaped, tt.name).GetLanguageSpecifics().GetAvailableLineRanges()
		if tt.available != "" && !has(ranges, lines[tt.available]) {
			t.Errorf("%s is not available in line %d: %v", tt.name, lines[tt.available], ranges)
		}
		if tt.not != "" && has(ranges, lines[tt.not]) {
			t.Errorf("%s is available in line %d: %v", tt.name, lines[tt.not], ranges)
		}
	}
}

// TestInstancesAreUnited checks functions with an instance, once the first and once the
// last, that has variables without a location.
func TestInstancesAreUnited(t *testing.T) {
	t.Parallel()
	kinds := mainModule(t)[kindsPackage]
	lines := marks(t, "kinds/instances.go")
	for name, used := range map[string]string{"keep[...]": "keep-used", "keepToo[...]": "keep-too-used"} {
		function := child(t, kinds, "function", name)
		for _, variable := range []string{"v", "kept"} {
			ranges := symbol(t, function, variable).GetLanguageSpecifics().GetAvailableLineRanges()
			if !has(ranges, lines[used]) {
				t.Errorf("%s: %s is not available in line %d: %v", name, variable, lines[used], ranges)
			}
		}
	}
}

func TestLiteralsAreWhereTheyWereWritten(t *testing.T) {
	t.Parallel()
	kinds := mainModule(t)[kindsPackage]
	lines := marks(t, "kinds/kinds.go")
	for name, line := range map[string]string{
		"All.func1": "all-literal", "All.func2": "all-inner", "each.func1": "each-literal",
		"Loops-range1": "loops-outer", "Loops-range2": "loops-inner", "At.func1": "at-once",
	} {
		literal := child(t, kinds, "function", name)
		if got := literal.GetStartLine(); got != lines[line] {
			t.Errorf("%s begins in line %d, want %d", name, got, lines[line])
		}
		if got, want := literal.GetLanguageSpecifics().GetGoQualifiedName(), kindsPackage+"."+name; got != want {
			t.Errorf("qualified name %s, want %s", got, want)
		}
	}
}

// TestOtherFilesLines checks a function with a //line directive in its middle: it has no
// lines of the other file.
func TestOtherFilesLines(t *testing.T) {
	t.Parallel()
	grammar := child(t, mainModule(t)[kindsPackage], "function", "grammar")
	last := marks(t, "kinds/grammar.go")["grammar-own"]
	if got := grammar.GetEndLine(); got != last {
		t.Errorf("ends in line %d, want %d", got, last)
	}
	var check func(s *symdbv1.Scope)
	check = func(s *symdbv1.Scope) {
		for _, y := range s.GetSymbols() {
			if y.GetLine() > last {
				t.Errorf("%s is declared in line %d, want at most %v", y.GetName(), y.GetLine(), last)
			}
		}
		for _, inner := range s.GetScopes() {
			check(inner)
		}
	}
	check(grammar)
}
