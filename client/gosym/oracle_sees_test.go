package gosym_test

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym/internal/oracle"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// doctored are scopes of the usual program with one mistake, and how the oracle must count
// it.
var doctored = []struct {
	name          string
	kind, verdict string
	pkg           string
	doctor        func(d doctor)
}{
	{"function at another line", oracle.Functions, oracle.False, "results", func(d doctor) {
		d.function("variadic").StartLine++
	}},
	{"function in another file", oracle.Functions, oracle.False, "results", func(d doctor) {
		d.function("variadic").SourceFile = new("example.com/oracle/results/other.go")
	}},
	{"function ends behind its end", oracle.Functions, oracle.False, "results", func(d doctor) {
		d.function("variadic").EndLine += 3
	}},
	{"function that is nowhere", oracle.Functions, oracle.False, "results", func(d doctor) {
		d.function("variadic").GetLanguageSpecifics().GoQualifiedName = new("example.com/oracle/results.nowhere")
	}},
	{"function by another name", oracle.Functions, oracle.False, "results", func(d doctor) {
		d.function("variadic").Name = new("nowhere")
	}},
	{"function in assembly", oracle.Functions, oracle.False, "results", func(d doctor) {
		f := again(d.function("variadic"), "example.com/oracle/results.fast")
		f.SourceFile = new("example.com/oracle/results/results.s")
		d.add(f)
	}},
	{"function twice", oracle.Functions, oracle.Repeated, "results", func(d doctor) {
		f := d.function("variadic")
		d.add(again(f, f.GetLanguageSpecifics().GetGoQualifiedName()))
	}},
	{"function left out", oracle.Functions, oracle.Missing, "results", func(d doctor) {
		f := d.function("variadic")
		d.remove(f)
	}},
	{"closure left out", oracle.Functions, oracle.Missing, "closures", func(d doctor) {
		f := d.function("counter.func1")
		d.remove(f)
	}},
	{"closure twice", oracle.Functions, oracle.Repeated, "closures", func(d doctor) {
		f := d.function("counter.func1")
		d.add(again(f, "example.com/oracle/closures.All.counter.func9"))
	}},
	{"closure at another line", oracle.Functions, oracle.False, "closures", func(d doctor) {
		d.function("counter.func1").StartLine++
	}},
	{"closure by the name of another", oracle.Functions, oracle.False, "closures", func(d doctor) {
		d.function("counter.func1").GetLanguageSpecifics().GoQualifiedName = new("example.com/oracle/closures.counter.func2")
	}},
	{"method in another type", oracle.Functions, oracle.False, "results", func(d doctor) {
		value := d.structure("Value")
		wide := d.structure("Wide")
		wide.Scopes, value.Scopes = append(wide.GetScopes(), value.GetScopes()...), nil
	}},
	{"argument left out", oracle.Args, oracle.Missing, "results", func(d doctor) {
		d.leaveOut(d.function("variadic"), "numbers")
	}},
	{"argument twice", oracle.Args, oracle.Repeated, "results", func(d doctor) {
		f := d.function("variadic")
		f.Symbols = append(f.GetSymbols(), proto.CloneOf(d.symbol(f, "numbers")))
	}},
	{"arguments in another order", oracle.Args, oracle.False, "results", func(d doctor) {
		s := d.function("variadic").GetSymbols()
		s[0], s[1] = s[1], s[0]
	}},
	{"argument at another line", oracle.Args, oracle.False, "results", func(d doctor) {
		s := d.symbol(d.function("variadic"), "numbers")
		s.Line = new(s.GetLine() + 1)
	}},
	{"argument of another type", oracle.Types, oracle.False, "results", func(d doctor) {
		d.symbol(d.function("variadic"), "numbers").Type = new("int")
	}},
	{"argument that is none", oracle.Args, oracle.False, "results", func(d doctor) {
		d.symbol(d.function("variadic"), "numbers").Name = new("others")
	}},
	{"result left out", oracle.Results, oracle.Missing, "results", func(d doctor) {
		d.leaveOut(d.function("variadic"), "sum")
	}},
	{"result twice", oracle.Results, oracle.Repeated, "results", func(d doctor) {
		f := d.function("variadic")
		f.Symbols = append(f.GetSymbols(), proto.CloneOf(d.symbol(f, "sum")))
	}},
	{"argument as local too", oracle.Locals, oracle.Repeated, "results", func(d doctor) {
		f := d.function("variadic")
		local := proto.CloneOf(d.symbol(f, "prefix"))
		local.SymbolType = "local"
		f.Symbols = append(f.GetSymbols(), local)
	}},
	{"local of another function", oracle.Locals, oracle.False, "results", func(d doctor) {
		f := d.function("variadic")
		f.Symbols = append(f.GetSymbols(), proto.CloneOf(d.symbol(d.function("wide"), "copied")))
	}},
	{"local that the compiler made", oracle.Locals, oracle.False, "results", func(d doctor) {
		d.symbol(d.function("wide"), "copied").Name = new("#state1")
	}},
	{"local at another line", oracle.Locals, oracle.False, "results", func(d doctor) {
		s := d.symbol(d.function("wide"), "copied")
		s.Line = new(s.GetLine() + 1)
	}},
	{"local of another type", oracle.Types, oracle.False, "results", func(d doctor) {
		d.symbol(d.function("wide"), "copied").Type = new("example.com/oracle/results.Pair")
	}},
	{"local twice", oracle.Locals, oracle.Repeated, "results", func(d doctor) {
		f := d.function("wide")
		f.Symbols = append(f.GetSymbols(), proto.CloneOf(d.symbol(f, "copied")))
	}},
	{"local left out", oracle.Locals, oracle.Missing, "results", func(d doctor) {
		d.leaveOut(d.function("wide"), "copied")
	}},
	{"captured variable of nobody", oracle.Locals, oracle.False, "closures", func(d doctor) {
		d.symbol(d.function("counter.func1"), "count").Name = new("start")
	}},
	{"available before it is declared", oracle.Available, oracle.False, "results", func(d doctor) {
		s := d.symbol(d.function("wide"), "copied")
		s.GetLanguageSpecifics().GetAvailableLineRanges()[0].Start = s.GetLine() - 1
	}},
	{"available behind its block", oracle.Available, oracle.False, "results", func(d doctor) {
		ranges := d.symbol(d.function("wide"), "copied").GetLanguageSpecifics().GetAvailableLineRanges()
		ranges[len(ranges)-1].End += 2
	}},
	{"line without code", oracle.Injectible, oracle.False, "results", func(d doctor) {
		lines := d.function("wide").GetInjectibleLines()
		lines[len(lines)-1].End++
	}},
	{"line with code left out", oracle.Injectible, oracle.Missing, "results", func(d doctor) {
		lines := d.function("wide").GetInjectibleLines()
		lines[len(lines)-1].End--
	}},
	{"lines not in order", oracle.Injectible, oracle.False, "results", func(d doctor) {
		slices.Reverse(d.function("variadic").GetInjectibleLines())
	}},
	{"field left out", oracle.Fields, oracle.False, "results", func(d doctor) {
		d.leaveOut(d.structure("Wide"), "C")
	}},
	{"field of another type", oracle.Fields, oracle.False, "results", func(d doctor) {
		d.symbol(d.structure("Wide"), "C").Type = new("int64")
	}},
	{"type twice", oracle.Structs, oracle.Repeated, "results", func(d doctor) {
		wide := proto.CloneOf(d.structure("Wide"))
		wide.Scopes = nil
		d.add(wide)
	}},
	{"type that is nowhere", oracle.Structs, oracle.False, "results", func(d doctor) {
		wide := proto.CloneOf(d.structure("Wide"))
		wide.Scopes, wide.Name = nil, new("example.com/oracle/results.Wider")
		d.add(wide)
	}},
}

// again copies a function's scope under another linker's name.
func again(f *symdbv1.Scope, qualified string) *symdbv1.Scope {
	f = proto.CloneOf(f)
	f.GetLanguageSpecifics().GoQualifiedName = new(qualified)
	return f
}

// doctor makes the mistake in a package.
type doctor struct {
	*testing.T

	pkg *symdbv1.Scope
}

func (d doctor) function(name string) *symdbv1.Scope {
	d.Helper()
	return child(d, d.pkg, "function", name)
}

func (d doctor) structure(name string) *symdbv1.Scope {
	d.Helper()
	return child(d, d.pkg, "struct", d.pkg.GetName()+"."+name)
}

func (d doctor) symbol(scope *symdbv1.Scope, name string) *symdbv1.Symbol {
	d.Helper()
	return symbol(d, scope, name)
}

func (d doctor) add(scope *symdbv1.Scope) { d.pkg.Scopes = append(d.pkg.GetScopes(), scope) }

func (d doctor) remove(scope *symdbv1.Scope) {
	d.pkg.Scopes = slices.DeleteFunc(d.pkg.GetScopes(), func(s *symdbv1.Scope) bool { return s == scope })
}

func (d doctor) leaveOut(scope *symdbv1.Scope, name string) {
	d.Helper()
	left := d.symbol(scope, name)
	scope.Symbols = slices.DeleteFunc(scope.GetSymbols(), func(s *symdbv1.Symbol) bool { return s == left })
}

// TestOracleSees checks doctored scopes: an oracle that does not see mistakes is worthless.
func TestOracleSees(t *testing.T) {
	t.Parallel()
	held, err := oraclePrograms[0].read()
	if err != nil {
		t.Fatal(err)
	}
	before := held.evidence.Check(held.scopes)
	for _, tt := range doctored {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := "example.com/oracle/" + tt.pkg
			scopes := maps.Clone(held.scopes)
			scopes[name] = proto.CloneOf(scopes[name])
			tt.doctor(doctor{t, scopes[name]})
			after := held.evidence.Check(scopes)
			if was, is := before.Count(tt.kind, tt.verdict), after.Count(tt.kind, tt.verdict); is <= was {
				t.Errorf("%s %s: %d findings before, %d after, want more", tt.kind, tt.verdict, was, is)
			}
		})
	}
}
