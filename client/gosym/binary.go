package gosym

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"sync/atomic"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Binary is an executable built by the Go toolchain. It is safe for concurrent use.
type Binary struct {
	module    module
	options   *options
	symbols   atomic.Pointer[symbols]
	count     int
	debugPath string
	omitted   Omissions
	// cleanup frees the debug information of a Binary that is not closed.
	cleanup runtime.Cleanup
}

// symbols is the debug information, which Close drops.
type symbols struct {
	object *object
	index  *index
}

// Open reads and indexes the debug information of the executable at path, and closes the
// file. It takes about a second for an executable of 30 MB. It selects all packages
// unless an option selects some.
//
// If an ELF file has no debug information, Open looks for its debug file: by build ID in
// /usr/lib/debug/.build-id; and by debug link beside the executable, in the directory
// .debug there, and in the same directory below /usr/lib/debug. A debug file is used only
// if its build ID, or its checksum, matches the one in the executable.
//
// Its error wraps [ErrFormat], [ErrNotGo], [ErrNoDWARF], [ErrTooLarge], [ErrMaxMemory],
// [ErrPattern], [ErrNoPackage], an error of the file system, the error of ctx, or, if the file is
// damaged, an error of debug/elf, debug/macho, debug/pe or debug/dwarf.
func Open(ctx context.Context, path string, opts ...Option) (*Binary, error) {
	return open(ctx, path, path, opts)
}

// OpenSelf opens the executable of this process. On Linux, that works even if the file was
// replaced or removed. It implies [WithMainModuleByDefault].
func OpenSelf(ctx context.Context, opts ...Option) (*Binary, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("open Go binary: %w", err)
	}
	opts = append(slices.Clip(opts), WithMainModuleByDefault())
	if runtime.GOOS == "linux" {
		const running = "/proc/self/exe"
		if _, err := os.Stat(running); err == nil {
			return open(ctx, running, path, opts)
		}
	}
	return open(ctx, path, path, opts)
}

// open opens the file at path. location names it in errors, and is where its debug files
// are.
func open(ctx context.Context, path, location string, opts []Option) (*Binary, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open Go binary: %w", err)
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open Go binary: %w", err)
	}
	b, err := newBinary(ctx, &source{file, stat.Size(), location}, opts)
	if err != nil {
		return nil, fmt.Errorf("open Go binary %s: %w", location, err)
	}
	return b, nil
}

// NewBinary is [Open] for an executable of size bytes in r, which it does not use after
// it returns. It follows no debug link.
func NewBinary(ctx context.Context, r io.ReaderAt, size int64, opts ...Option) (*Binary, error) {
	b, err := newBinary(ctx, &source{ReaderAt: r, size: size}, opts)
	if err != nil {
		return nil, fmt.Errorf("open Go binary: %w", err)
	}
	return b, nil
}

func newBinary(ctx context.Context, file *source, opts []Option) (*Binary, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	check := &checkpoint{check: func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return o.checkpoint()
	}}
	obj, err := readObject(file, o, check)
	if err != nil {
		return nil, err
	}
	defer obj.spool.seal()
	b := &Binary{options: o, module: newModule(file.path, obj.buildInfo), debugPath: obj.debugPath}
	var ix *index
	err = guarded(func() (err error) {
		ix, err = newIndex(obj, func(pkg string) bool { return o.selection.keeps(&b.module, pkg) }, check)
		return err
	})
	if err == nil && len(ix.packages) == 0 {
		err = fmt.Errorf("%w: none of the %d in the binary matches", ErrNoPackage, ix.omitted.Packages)
	}
	if err != nil {
		obj.spool.release()
		return nil, err
	}
	b.count, b.omitted = len(ix.packages), ix.omitted
	b.symbols.Store(&symbols{object: obj, index: ix})
	b.cleanup = runtime.AddCleanup(b, (*spool).release, obj.spool)
	return b, nil
}

// Packages returns the scopes of the selected packages, sorted by import path. Each is
// built when it is needed, and the caller owns it. Every range over the sequence yields
// the same scopes in the same order. Concurrent ranges are permitted.
//
// The first error, with a nil scope, ends the sequence: damaged DWARF, [ErrClosed], or
// the error of [WithCheckpoint].
func (b *Binary) Packages() iter.Seq2[*symdbv1.Scope, error] { return b.scopes(0) }

// Parts is like [Binary.Packages], but yields a large package as several consecutive
// scopes, each with some of its functions and types, so that an upload needs little memory.
// A type with many methods is in several of them too; only the first has its fields. A
// backend merges scopes of the same type and name.
func (b *Binary) Parts() iter.Seq2[*symdbv1.Scope, error] { return b.scopes(maxPartBytes) }

// scopes returns the packages in parts of at most maxBytes of protobuf, or whole if that
// is 0.
func (b *Binary) scopes(maxBytes int) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		s := b.symbols.Load()
		if s == nil || !s.object.spool.retain() {
			yield(nil, fmt.Errorf("read packages: %w", ErrClosed))
			return
		}
		defer s.object.spool.release()
		w := newWalk(s.object, s.index, &checkpoint{check: b.options.checkpoint})
		for i := range s.index.packages {
			more, err := w.packageScope(&s.index.packages[i], b.options.agentVersion, maxBytes,
				func(scope *symdbv1.Scope) bool { return yield(scope, nil) })
			if err != nil {
				yield(nil, fmt.Errorf("read packages: %w", err))
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// PackageCount returns the number of scopes that Packages yields.
func (b *Binary) PackageCount() int { return b.count }

// Omitted returns what Packages leaves out.
func (b *Binary) Omitted() Omissions { return b.omitted }

// Omissions counts packages and functions that are in the binary but not in its scopes.
type Omissions struct {
	// Packages is how many packages with Go code or types are not selected.
	Packages int
	// Generated is how many functions of the selected packages were made by the compiler or
	// cgo.
	Generated int
	// NoFile is how many functions of the selected packages have no known file.
	NoFile int
	// Ambiguous is how many copies of function literals in the selected packages may be
	// of another literal on the same line.
	Ambiguous int
}

// DebugFile returns the path of the separate file that the debug information is from. It is
// empty if the executable itself has the debug information.
func (b *Binary) DebugFile() string { return b.debugPath }

// ModulePath returns the path of the main module, or of package main in a binary without
// a module, such as those of the Go distribution. It is empty if the binary has no build
// information.
func (b *Binary) ModulePath() string { return b.module.path }

// GoVersion returns the version of the toolchain, such as "go1.26.0". It is empty if the
// binary has no build information.
func (b *Binary) GoVersion() string { return b.module.goVersion }

// Close drops the debug information. Ranges over Packages that have begun continue; later
// ones yield [ErrClosed]. Close never fails, and may be called again.
func (b *Binary) Close() error {
	if s := b.symbols.Swap(nil); s != nil {
		s.object.spool.release()
		b.cleanup.Stop()
	}
	return nil
}

var (
	// ErrFormat means that a file is not an executable in a supported format: ELF,
	// Mach-O for one architecture, or PE.
	ErrFormat = errors.New("not an ELF, Mach-O or PE executable")

	// ErrNotGo means that an executable has neither Go build information nor Go code in
	// its DWARF.
	ErrNotGo = errors.New("not a Go program")

	// ErrNoDWARF means that a Go binary was stripped of its debug information, and that
	// no debug file was found. Its text says how to keep it.
	ErrNoDWARF = errors.New("the binary has no DWARF debug information: " +
		"build it with `go build`, without -ldflags=-w or -s and without strip " +
		"(`go run` and `go test` leave DWARF out)")

	// ErrTooLarge means that the debug information would take far more memory than is
	// plausible for its file, as in a file made to exhaust memory.
	ErrTooLarge = errors.New("the debug information is too large for its file")

	// ErrMaxMemory means that a Binary would hold more memory than [WithMaxMemory] permits.
	ErrMaxMemory = errors.New("the debug information exceeds the memory limit")

	// ErrNoPackage means that the options select no package of the binary.
	ErrNoPackage = errors.New("no package selected")

	// ErrClosed means that a Binary was used after Close.
	ErrClosed = errors.New("binary is closed")
)
