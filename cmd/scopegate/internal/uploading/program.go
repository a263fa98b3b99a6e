package uploading

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// PackageFlags say which packages of a binary to take.
//
//nolint:lll // a struct tag can't be broken
type PackageFlags struct {
	AllPackages  bool          `group:"Source" xor:"packages" help:"Take all packages of the binary, including the standard library and dependencies. This is the default."`
	MainModule   bool          `group:"Source" xor:"packages" help:"Take only package main and the packages of the main module."`
	Organization bool          `group:"Source" xor:"packages" help:"Take only package main and the packages of the main module's organization: those below github.com/shop for github.com/shop/cart."`
	Include      []string      `group:"Source" placeholder:"PATTERN" help:"Take the packages that match, such as example.com/shop/..., and no others except those of the flags above. std is the standard library. Repeat the flag, or separate patterns with commas."`
	Exclude      []string      `group:"Source" placeholder:"PATTERN" help:"Leave out the packages that match. Repeat the flag, or separate patterns with commas."`
	MaxMemory    settings.Size `group:"Source" default:"0" placeholder:"SIZE" help:"Maximum memory for a binary's symbols besides the scope being sent: an index, and debug information if no temporary file can hold it. The command fails if they need more. 0: no limit."`
}

func (f *PackageFlags) options() []gosym.Option {
	options := []gosym.Option{
		gosym.WithInclude(f.Include...), gosym.WithExclude(f.Exclude...), gosym.WithMaxMemory(int64(f.MaxMemory)),
	}
	switch {
	case f.AllPackages:
		options = append(options, gosym.WithInclude("all"))
	case f.MainModule:
		options = append(options, gosym.WithMainModule())
	case f.Organization:
		options = append(options, gosym.WithOrganization())
	}
	return options
}

// OpenProgram opens a Go binary. Its errors are an [*InputError], or a
// [*settings.UsageError] if the flags do not fit it.
func OpenProgram(ctx context.Context, path string, flags PackageFlags) (*gosym.Binary, error) {
	program, err := gosym.Open(ctx, path, flags.options()...)
	switch {
	case err == nil:
		return program, nil
	case errors.Is(err, gosym.ErrPattern), errors.Is(err, gosym.ErrNoPackage):
		return nil, &settings.UsageError{Err: fmt.Errorf("--include and --exclude: %w", err)}
	case errors.Is(err, gosym.ErrFormat):
		err = errors.Join(err, formatOf(path))
	case errors.Is(err, gosym.ErrNotGo):
		err = fmt.Errorf("%w; scopes of another language are uploaded as NDJSON, or by its tracer: "+
			"see docs/ndjson.md and docs/tracers.md", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("%w; the file may be truncated", err)
	}
	return nil, &InputError{Err: err}
}

// formatOf returns an error with advice if the file is of a common format without
// symbols of Go.
func formatOf(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	head := make([]byte, javaMagicBytes)
	n, _ := io.ReadFull(file, head)
	return otherBinary(head[:n])
}

// OpenBinary opens a Go binary as a source.
func OpenBinary(ctx context.Context, path string, flags PackageFlags) (*Source, error) {
	program, err := OpenProgram(ctx, path, flags)
	if err != nil {
		return nil, err
	}
	var done atomic.Int64
	return &Source{
		Scopes: func(yield func(*symdbv1.Scope, error) bool) {
			done.Store(0)
			last := ""
			markInput(program.Parts(), func(scope *symdbv1.Scope) {
				if scope.GetName() != last {
					last = scope.GetName()
					done.Add(1)
				}
			})(yield)
		},
		Repeatable: true,
		Close:      program.Close,
		Metadata:   program.Metadata(),
		total:      int64(program.PackageCount()),
		unit:       unitPackages,
		done:       done.Load,
	}, nil
}
