package gosym

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"sync/atomic"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Binary is an executable built by the Go toolchain. It is safe for concurrent
// use.
type Binary struct {
	module  module
	options options
	symbols atomic.Pointer[symbols]
	count   int
}

// symbols is the debug information, which Close drops.
type symbols struct {
	object *object
	index  *index
}

// Open reads and indexes the debug information of the executable at path, and
// closes the file. It takes about a second for an executable of 30 MB.
//
// Its error wraps [ErrFormat], [ErrNotGo], [ErrNoDWARF], an error of the file
// system, or, if the file is damaged, an error of debug/elf, debug/macho,
// debug/pe or debug/dwarf.
func Open(path string, opts ...Option) (*Binary, error) {
	b := &Binary{}
	for _, opt := range opts {
		opt(&b.options)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open Go binary: %w", err)
	}
	defer file.Close()
	obj, err := readObject(file)
	if err != nil {
		return nil, fmt.Errorf("open Go binary %s: %w", path, err)
	}
	b.module = newModule(path, obj.buildInfo)
	keep := func(string) bool { return true }
	if b.options.mainModuleOnly {
		keep = b.module.owns
	}
	ix, err := newIndex(obj, keep)
	if err != nil {
		return nil, fmt.Errorf("open Go binary %s: %w", path, err)
	}
	b.count = len(ix.packages)
	b.symbols.Store(&symbols{object: obj, index: ix})
	return b, nil
}

// Packages returns the scopes of the selected packages, sorted by import path.
// Each is built when it is needed, and the caller owns it. Every range over the
// sequence yields the same scopes in the same order. Concurrent ranges are
// permitted.
//
// The first error, with a nil scope, ends the sequence: damaged DWARF, or
// [ErrClosed].
func (b *Binary) Packages() iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		s := b.symbols.Load()
		if s == nil {
			yield(nil, fmt.Errorf("read packages: %w", ErrClosed))
			return
		}
		w := newWalk(s.object, s.index)
		for i := range s.index.packages {
			scope, err := w.packageScope(&s.index.packages[i], b.options.agentVersion)
			if err != nil {
				yield(nil, fmt.Errorf("read packages: %w", err))
				return
			}
			if !yield(scope, nil) {
				return
			}
		}
	}
}

// PackageCount returns the number of scopes that Packages yields.
func (b *Binary) PackageCount() int { return b.count }

// Service returns a name for the program's service: the last element of the main
// module's path, without a major version, or the file's name if the binary has no
// build information.
func (b *Binary) Service() string { return b.module.service }

// Version returns the main module's version or else its revision, with "+dirty"
// if files were changed. It is empty if the binary has neither.
func (b *Binary) Version() string { return b.module.version }

// ModulePath returns the path of the main module, or of package main in a binary
// without a module, such as those of the Go distribution. It is empty if the
// binary has no build information.
func (b *Binary) ModulePath() string { return b.module.path }

// GoVersion returns the version of the toolchain, such as "go1.26.0". It is empty
// if the binary has no build information.
func (b *Binary) GoVersion() string { return b.module.goVersion }

// Close drops the debug information. Ranges over Packages that have begun
// continue; later ones yield [ErrClosed]. Close never fails, and may be called
// again.
func (b *Binary) Close() error {
	b.symbols.Store(nil)
	return nil
}

// An Option changes what [Open] selects and adds. Of contradictory options the
// last one applies.
type Option func(*options)

type options struct {
	mainModuleOnly bool
	agentVersion   string
}

// AllPackages selects every package with code or types in the binary, including
// the standard library and dependencies. It is the default.
func AllPackages() Option {
	return func(o *options) { o.mainModuleOnly = false }
}

// MainModuleOnly selects package main and the packages of the main module, see
// [Binary.ModulePath]. In a binary without build information it selects only
// package main.
func MainModuleOnly() Option {
	return func(o *options) { o.mainModuleOnly = true }
}

// AgentVersion sets language_specifics.agent_version of every root scope.
func AgentVersion(version string) Option {
	return func(o *options) { o.agentVersion = version }
}

var (
	// ErrFormat means that a file is not an executable in a supported format: ELF,
	// Mach-O for one architecture, or PE.
	ErrFormat = errors.New("not an ELF, Mach-O or PE executable")

	// ErrNotGo means that an executable has neither Go build information nor Go
	// code in its DWARF.
	ErrNotGo = errors.New("not a Go program")

	// ErrNoDWARF means that a Go binary was stripped of its debug information. Its
	// text says how to keep it.
	ErrNoDWARF = errors.New("the binary has no DWARF debug information: " +
		"build it with `go build`, without -ldflags=-w or -s and without strip " +
		"(`go run` and `go test` leave DWARF out)")

	// ErrTooLarge means that the debug information would take far more memory than
	// is plausible for its file, such as one made to exhaust memory.
	ErrTooLarge = errors.New("the debug information is too large for its file")

	// ErrClosed means that a Binary was used after Close.
	ErrClosed = errors.New("binary is closed")
)
