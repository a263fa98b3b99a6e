package gosym

import (
	"debug/dwarf"
	"fmt"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// walk is one iteration over all packages. Concurrent walks share only what they do not
// change.
type walk struct {
	dwarf     *debugInfo
	locations *locations
	index     *index
	check     *checkpoint
	reader    *entryReader
	types     typeNames
	rows      *lineRows
	pcs       [][2]uint64
	// runs is a stack: the code of a function, then of the nested blocks being read.
	runs []run
	// pkg is the package whose scope is being built.
	pkg *packageIndex
	// scopeBytes is about how much memory the function or type being read takes.
	scopeBytes int
}

// maxScopeBytes bounds the memory of the scope of a function, or of the fields of a type.
// Variables can share names, types and lines.
const maxScopeBytes = 64 << 20

// About how much memory a symbol takes in a scope, and a span of its lines.
const symbolBytes, rangeBytes = 250, 60

// grow counts memory of the scope, and fails if that is too much.
func (w *walk) grow(bytes int) error {
	if w.scopeBytes += bytes; w.scopeBytes > maxScopeBytes {
		return tooLargeScope()
	}
	return nil
}

func tooLargeScope() error {
	return fmt.Errorf("%w: a scope of more than %d bytes", ErrTooLarge, maxScopeBytes)
}

func newWalk(obj *object, ix *index, check *checkpoint) *walk {
	return &walk{
		dwarf:     obj.dwarf,
		locations: &obj.locations,
		index:     ix,
		check:     check,
		reader:    obj.dwarf.reader(check),
		types:     typeNames{reader: obj.dwarf.reader(check), names: map[dwarf.Offset]string{}},
		rows:      &lineRows{check: check},
	}
}

// packageScope builds the scope of a package, and yields it in parts of at most maxBytes
// of protobuf, or whole if that is 0. more is false once yield returns false.
func (w *walk) packageScope(
	e *packageEntry, agentVersion string, maxBytes int, yield func(*symdbv1.Scope) bool,
) (more bool, err error) {
	err = guarded(func() (err error) {
		w.pkg, err = w.index.expand(e, w.check)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("package %s: %w", e.name, err)
	}
	out := &parts{maxBytes: maxBytes, yield: yield, root: func() *symdbv1.Scope {
		scope := &symdbv1.Scope{ScopeType: scopePackage, Name: new(e.name)}
		if agentVersion != "" {
			scope.LanguageSpecifics = &symdbv1.LanguageSpecifics{AgentVersion: new(agentVersion)}
		}
		return scope
	}}
	out.pkg = out.root()
	if err := w.children(w.pkg, out); err != nil {
		return false, fmt.Errorf("package %s: %w", e.name, err)
	}
	return !out.stopped && yield(out.pkg), nil
}

// children adds the functions and types of a package.
func (w *walk) children(p *packageIndex, out *parts) error {
	for i := range p.functions {
		f, err := w.function(&p.functions[i], scopeFunction)
		if err != nil || !out.add(f) {
			return err
		}
	}
	for i := range p.types {
		if err := w.typeScope(&p.types[i], out); err != nil || out.stopped {
			return err
		}
	}
	return nil
}
