package gosym

import (
	"fmt"
	"iter"
	"os"
	"sync/atomic"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Binary is an executable built by the Go toolchain. Its methods may be called
// from several goroutines at once.
type Binary struct {
	module  module
	options options
	symbols atomic.Pointer[symbols]
	count   int
}

// symbols is what Close lets go.
type symbols struct {
	object *object
	index  *index
}

// Open reads the debug information of the executable at path and makes an index
// of it; the file itself is closed again. It takes about a second for 30 MB of
// executable.
//
// It fails with [ErrFormat], [ErrNotGo] or [ErrNoDWARF] in the chain where the
// file is not what is needed, with an error of the file system, or with one of
// debug/elf, debug/macho, debug/pe or debug/dwarf where the file is damaged.
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

// Packages ranges over the scopes of the selected packages, sorted by import
// path. Each is built when it is asked for and belongs to the caller. Every range
// gives the same scopes in the same order, and several may go on at once.
//
// The first error ends the range: damaged DWARF, or [ErrClosed]. An error comes
// with a nil scope.
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

// PackageCount is the number of scopes that Packages gives.
func (b *Binary) PackageCount() int { return b.count }

// Service is a name for the service that the program runs as: the last element
// of the main module's path that is no major version, or the file's name where the
// binary has no build information.
func (b *Binary) Service() string { return b.module.service }

// Version is the main module's version as the build recorded it, or the revision
// it was built from, with "+dirty" if files were changed. It is empty where the
// binary tells neither.
func (b *Binary) Version() string { return b.module.version }

// ModulePath is the path of the main module; in a binary that belongs to no
// module, as those of the Go distribution, that of package main. It is empty
// where the binary has no build information.
func (b *Binary) ModulePath() string { return b.module.path }

// GoVersion is the version of the toolchain, such as "go1.26.0", or empty where
// the binary has no build information.
func (b *Binary) GoVersion() string { return b.module.goVersion }

// Close lets go of the debug information. Ranges that have begun go on to their
// end; later ones give [ErrClosed]. It never fails, and may be called again.
func (b *Binary) Close() error {
	b.symbols.Store(nil)
	return nil
}
