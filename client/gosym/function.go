package gosym

import (
	"debug/dwarf"
	"fmt"
	"strings"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// function is an instance of a function, for building its scope.
type function struct {
	// node is nil if it was only inlined, abstract if it was not.
	node

	qualified string
	unit      *unit
	abstract  node
	inlined   *inlined
	line      int32
	file      string
	// runs is its own code, valid until the next function is read.
	runs  []run
	lines []span
	// foreign are the lines of code from other files, due to //line directives.
	foreign []span
	// literal means a function literal, loop the body of a loop over a function, and
	// shaped a declared function with a dictionary of types.
	literal, loop, shaped bool
	// arguments are the type arguments that contain shapes without being one.
	arguments []string
	// wrapper means that the variables have the types of a single instance.
	wrapper bool

	body block
	// abstractEntries are the entries right below the abstract one.
	abstractEntries []*entry
	// seen are the abstract variables that concrete ones refer to.
	seen    []dwarf.Offset
	escaped []escaped
	// lastCaptured is the last argument that is a captured variable, lastDoubtful the
	// last that may be one.
	lastCaptured, lastDoubtful dwarf.Offset
}

// function builds the scope of a function or a method.
func (w *walk) function(f *functionIndex, scopeType string) (scope *symdbv1.Scope, err error) {
	err = guarded(func() error {
		scope, err = w.unguardedFunction(f, scopeType)
		return err
	})
	return scope, err
}

func (w *walk) unguardedFunction(f *functionIndex, scopeType string) (*symdbv1.Scope, error) {
	var whole *function
	bytes := 0
	for _, inst := range inOrder(f.instances) {
		one, err := w.instance(f, inst)
		if err != nil {
			return nil, fmt.Errorf("function %s: %w", f.qualified, err)
		}
		if whole == nil {
			whole = one
		} else if whole.unite(one, inst.twin, w.check); w.check.err != nil {
			return nil, w.check.err
		}
		if bytes += w.scopeBytes; bytes > maxScopeBytes {
			if bytes = whole.body.bytes() + rangeBytes*len(whole.lines); bytes > maxScopeBytes {
				return nil, fmt.Errorf("function %s: %w", f.qualified, tooLargeScope())
			}
		}
	}
	if whole.wrapper && len(f.instances) == 1 {
		whole.body = block{} // It is unknown which types depend on the type arguments.
	}
	scope := &symdbv1.Scope{
		ScopeType:          scopeType,
		Name:               new(strings.Clone(unescape(f.name))),
		SourceFile:         new(whole.file),
		StartLine:          whole.line,
		EndLine:            whole.lastLine(),
		HasInjectibleLines: new(len(whole.lines) > 0),
		InjectibleLines:    lineRanges(whole.lines),
		LanguageSpecifics:  &symdbv1.LanguageSpecifics{GoQualifiedName: new(strings.Clone(f.qualified))},
	}
	whole.body.fill(scope, whole.lines)
	return scope, nil
}

// inOrder returns the instances of a function in order: the first literal on its line,
// then those with code of their own, those that were only inlined, and wrappers.
func inOrder(instances []instance) []*instance {
	ordered := make([]*instance, 0, len(instances))
	for _, is := range []func(*instance) bool{
		func(inst *instance) bool { return inst.first },
		func(inst *instance) bool { return inst.hasCode && !inst.wrapper && !inst.first },
		func(inst *instance) bool { return !inst.hasCode && !inst.wrapper && !inst.first },
		func(inst *instance) bool { return inst.wrapper && !inst.first },
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
func (w *walk) instance(index *functionIndex, inst *instance) (*function, error) {
	f := &function{qualified: index.qualified}
	_, own, literal := splitLiteral(index.name, func(string) bool { return false })
	f.literal, f.loop = literal, strings.HasPrefix(own, "-")
	var err error
	w.reader.reset()
	w.scopeBytes = 0
	if inst.hasAbstract {
		if f.abstract, err = w.reader.nodeAt(inst.abstract); err != nil {
			return nil, err
		}
		for child := range f.abstract.children() {
			f.abstractEntries = append(f.abstractEntries, child.entry())
		}
		f.inlined = w.index.inlined.find(inst.abstract)
		f.line = f.abstract.entry().line
	}
	if inst.hasCode {
		f.unit = &w.index.units[inst.unit]
		if f.node, err = w.reader.nodeAt(inst.concrete); err != nil {
			return nil, err
		}
		if err := w.code(f, inst.rows); err != nil {
			return nil, err
		}
	}
	if f.inlined != nil {
		if f.node == nil {
			f.file = w.index.scan.files.path(f.inlined.file)
		}
		if f.file != w.index.scan.files.path(f.inlined.file) {
			f.inlined = nil
		} else {
			f.lines = union(f.lines, w.index.inlined.lines(f.inlined))
		}
	}
	if err := w.grow(rangeBytes * len(f.lines)); err != nil {
		return nil, err
	}
	name := f.linkerName()
	f.shaped, f.wrapper = !literal && strings.Contains(name, shape), inst.wrapper
	f.arguments = mixedArguments(name)
	return f, w.variables(f)
}

// linkerName returns the function's name with its type arguments.
func (f *function) linkerName() string {
	if f.abstract != nil {
		return f.abstract.entry().name
	}
	return f.entry().name
}

// lastLine returns the last line with code of the function.
func (f *function) lastLine() int32 {
	if n := len(f.lines); n > 0 {
		return max(f.line, f.lines[n-1].last)
	}
	return f.line
}

// code sets the fields that follow from a function's own code.
func (w *walk) code(f *function, place sequencePlace) error {
	if f.line == 0 {
		f.line = f.entry().line
	}
	ranges, err := w.dwarf.ranges(nil, f.entry(), w.check)
	if err != nil {
		return fmt.Errorf("read PC ranges: %w", err)
	}
	ranges = sortRanges(ranges)
	table := f.unit.lines
	w.rows.open(table)
	if err := w.rows.loadAt(place, ranges); err != nil {
		return fmt.Errorf("read line table of %s: %w", f.unit.name, err)
	}
	calls, err := w.inlinedCalls(nil, f.node)
	if err != nil {
		return err
	}
	w.runs = w.rows.runs(w.runs[:0], ranges, sortRanges(calls))
	f.runs = w.runs
	if f.line == 0 && len(f.runs) > 0 {
		f.line = f.runs[0].line // A wrapper begins on the line of the wrapped function.
	}
	file := table.fileOf(f.entry())
	if file < 0 {
		file = declaringFile(f.runs, f.line)
	}
	f.file = w.index.scan.files.path(fileNumber(max(file, 0)))
	var foreign []int32
	for _, r := range f.runs {
		if r.file != file {
			foreign = append(foreign, r.line)
		}
	}
	f.foreign = spansOf(foreign)
	f.runs = inFile(f.runs, file)
	w.runs = f.runs
	f.lines = linesOf(f.runs)
	return nil
}

// inlinedCalls appends to dst the PC ranges of the outermost calls inlined into the
// function.
func (w *walk) inlinedCalls(dst [][2]uint64, n node) ([][2]uint64, error) {
	for child := range n.children() {
		var err error
		switch child.entry().tag {
		case dwarf.TagInlinedSubroutine:
			if dst, err = w.dwarf.ranges(dst, child.entry(), w.check); err != nil {
				return nil, fmt.Errorf("read PC ranges of inlined call: %w", err)
			}
		case dwarf.TagLexDwarfBlock:
			if dst, err = w.inlinedCalls(dst, child); err != nil {
				return nil, err
			}
		default:
		}
	}
	return dst, nil
}

// unite adds another instance of the same function. A twin may be another literal, so
// it adds only lines of known variables. The result is of no use once check has failed.
func (f *function) unite(other *function, twin bool, check *checkpoint) {
	if other.file != f.file || f.literal && !f.body.sameArguments(&other.body) {
		return // another literal on the same line
	}
	f.lines = union(f.lines, other.lines)
	f.body.unite(&f.body, &other.body, twin || other.wrapper && !f.wrapper, check)
}
