package gosym

import (
	"debug/dwarf"
	"fmt"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// function is an instance of a function while its scope is built.
type function struct {
	node

	qualified string
	unit      *unit
	abstract  node
	inlined   *inlined
	line      int32
	file      string
	// runs is the code of its own, until the next function is read.
	runs  []run
	lines []span
	// foreign has the lines of code of other files, as //line makes it.
	foreign []span
	// literal is set for a function literal, loop for the body of a loop over a
	// function, and shaped for a declared function that has a dictionary of types.
	literal, loop, shaped bool
	// arguments are the type arguments that are no shapes but made of them.
	arguments []string
	// wrapper is set for an instance whose variables have the types of one instance.
	wrapper bool

	body block
	// seen has the abstract variables that the concrete ones refer to.
	seen []dwarf.Offset
	// escaped are the variables that were moved to the heap.
	escaped []escaped
	// lastCaptured is the last argument that is a captured variable, lastDoubtful the
	// last that may be one.
	lastCaptured, lastDoubtful dwarf.Offset
}

// function builds the scope of a function or a method.
func (w *walk) function(f *functionIndex, scopeType string) (*symdbv1.Scope, error) {
	var whole *function
	for _, at := range inOrder(f.instances) {
		one, err := w.instance(f, at)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.qualified, err)
		}
		if whole == nil {
			whole = one
			continue
		}
		whole.unite(one, at.twin)
	}
	if whole.wrapper && len(f.instances) == 1 {
		whole.body = block{} // Nothing tells which types depend on the type arguments.
	}
	scope := &symdbv1.Scope{
		ScopeType:          scopeType,
		Name:               new(unescape(f.name)),
		SourceFile:         new(whole.file),
		StartLine:          whole.line,
		EndLine:            whole.lastLine(),
		HasInjectibleLines: new(len(whole.lines) > 0),
		InjectibleLines:    lineRanges(whole.lines),
		LanguageSpecifics:  &symdbv1.LanguageSpecifics{GoQualifiedName: new(f.qualified)},
	}
	whole.body.fill(scope, whole.lines)
	return scope, nil
}

// inOrder are the instances of a function: of the copies of a literal the first in its
// line, those with code of its own, those that were only inlined, and those of wrappers.
func inOrder(instances []instance) []*instance {
	ordered := make([]*instance, 0, len(instances))
	for _, is := range []func(*instance) bool{
		func(at *instance) bool { return at.first },
		func(at *instance) bool { return at.hasCode && !at.wrapper && !at.first },
		func(at *instance) bool { return !at.hasCode && !at.wrapper && !at.first },
		func(at *instance) bool { return at.wrapper && !at.first },
	} {
		for i := range instances {
			if is(&instances[i]) {
				ordered = append(ordered, &instances[i])
			}
		}
	}
	return ordered
}

// instance reads an instance of a function.
func (w *walk) instance(of *functionIndex, at *instance) (*function, error) {
	f := &function{qualified: of.qualified}
	_, own, literal := splitLiteral(of.name, func(string) bool { return false })
	f.literal, f.loop = literal, strings.HasPrefix(own, "-")
	var err error
	if at.hasAbstract {
		if f.abstract, err = nodeAt(w.reader, at.abstract); err != nil {
			return nil, err
		}
		f.inlined = w.index.inlined[at.abstract]
		f.line = lineOf(f.abstract.Entry)
	}
	if at.hasCode {
		f.unit = &w.index.units[at.unit]
		if f.node, err = nodeAt(w.reader, at.concrete); err != nil {
			return nil, err
		}
		if err := w.code(f, int(at.unit)); err != nil {
			return nil, err
		}
	}
	if f.inlined != nil {
		if f.Entry == nil {
			f.file = f.inlined.file
		}
		if f.file != f.inlined.file {
			f.inlined = nil
		} else {
			f.lines = union(f.lines, f.inlined.lines)
		}
	}
	name := f.linkerName()
	f.shaped, f.wrapper = !literal && strings.Contains(name, shape), at.wrapper
	f.arguments = mixedArguments(name)
	return f, w.variables(f)
}

// linkerName is the function's name with its type arguments.
func (f *function) linkerName() string {
	if f.abstract.Entry != nil {
		return nameOf(f.abstract.Entry)
	}
	return nameOf(f.Entry)
}

// lastLine is the last line with code of the function.
func (f *function) lastLine() int32 {
	if n := len(f.lines); n > 0 {
		return max(f.line, f.lines[n-1].last)
	}
	return f.line
}

// code fills in what a function's own code tells.
func (w *walk) code(f *function, unitNumber int) error {
	table, err := w.tables.of(unitNumber)
	if err != nil {
		return err
	}
	if f.line == 0 {
		f.line = lineOf(f.Entry)
	}
	ranges, err := w.dwarf.Ranges(f.Entry)
	if err != nil {
		return fmt.Errorf("read PC ranges: %w", err)
	}
	calls, err := w.inlinedCalls(nil, f.node)
	if err != nil {
		return err
	}
	w.runs = table.runs(w.runs[:0], sortRanges(ranges), sortRanges(calls))
	f.runs = w.runs
	if f.line == 0 && len(f.runs) > 0 {
		f.line = f.runs[0].line // A wrapper begins in the line of what it wraps.
	}
	file := table.fileOf(f.Entry)
	if file < 0 {
		file = declaringFile(f.runs, f.line)
	}
	f.file = table.fileName(file)
	for _, r := range f.runs {
		if r.file != file {
			f.foreign = union(f.foreign, []span{{r.line, r.line}})
		}
	}
	f.runs = inFile(f.runs, file)
	w.runs = f.runs
	f.lines = linesOf(f.runs)
	return nil
}

// inlinedCalls appends to dst the PC ranges of calls inlined into the function,
// without those inside others.
func (w *walk) inlinedCalls(dst [][2]uint64, n node) ([][2]uint64, error) {
	for _, child := range n.nodes {
		switch child.Tag {
		case dwarf.TagInlinedSubroutine:
			ranges, err := w.dwarf.Ranges(child.Entry)
			if err != nil {
				return nil, fmt.Errorf("read PC ranges of inlined call: %w", err)
			}
			dst = append(dst, ranges...)
		case dwarf.TagLexDwarfBlock:
			var err error
			if dst, err = w.inlinedCalls(dst, child); err != nil {
				return nil, err
			}
		default:
		}
	}
	return dst, nil
}

// unite adds what another instance of the same function has. Of a twin, which may be
// another literal, only what is known already counts.
func (f *function) unite(other *function, twin bool) {
	if other.file != f.file || f.literal && !f.body.sameArguments(&other.body) {
		return // another literal on the same line
	}
	f.lines = union(f.lines, other.lines)
	f.body.unite(&f.body, &other.body, twin || other.wrapper && !f.wrapper)
}
