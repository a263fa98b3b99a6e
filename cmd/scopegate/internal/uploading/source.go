// Package uploading implements the upload commands: the scopes of a binary or of NDJSON,
// progress, and reports. Start at [Open].
package uploading

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"sync/atomic"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/textfile"
)

// Source is an open binary, file or pipe with scopes.
type Source struct {
	// Scopes yields the scopes. Its errors are an [*InputError].
	Scopes iter.Seq2[*symdbv1.Scope, error]
	// Close closes the file. It must be called.
	Close func() error
	// Repeatable reports whether Scopes can be ranged over again.
	Repeatable bool
	// Lines are those of NDJSON, or nil.
	Lines *Lines
	// Metadata is the source's description of the program. It is empty for NDJSON.
	Metadata client.Metadata
	// total is the source's size in unit, or 0 if it is unknown. done returns how much
	// has been read.
	total int64
	unit  unit
	done  func() int64
}

// SourceFlags say which scopes to read.
type SourceFlags struct {
	Packages     PackageFlags  `embed:""`
	MaxLineBytes settings.Size `group:"Source" default:"64MiB" placeholder:"SIZE" help:"Longest line of NDJSON accepted."`
}

// unit is the unit of a source's size.
type unit string

const (
	unitPackages unit = "package"
	unitBytes    unit = "bytes"
)

// Open opens a Go binary or NDJSON, depending on the file's content. The path - is stdin.
func Open(ctx context.Context, path string, stdin io.Reader, options SourceFlags) (*Source, error) {
	if path == "-" {
		return openPipe(ctx, "stdin", func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }, options)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return openPipe(ctx, path, func() (io.ReadCloser, error) { return os.Open(path) }, options)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, &InputError{Err: err}
	}
	reader := bufio.NewReader(file)
	head, _ := reader.Peek(javaMagicBytes)
	if err := otherBinary(head); err != nil {
		return nil, errors.Join(&InputError{Err: fmt.Errorf("read %s: %w", path, err)}, file.Close())
	}
	if isExecutable(head) {
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("close %s: %w", path, err)
		}
		return OpenBinary(ctx, path, options.Packages)
	}
	if err := expectNDJSON(path, reader); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	var total int64
	if stat, err := file.Stat(); err == nil {
		total = stat.Size()
	}
	return ndjsonSource(reader, total, int(options.MaxLineBytes), file.Close), nil
}

// openPipe opens NDJSON that can be read once. It returns when ctx is done, even if open or
// a read blocks.
func openPipe(ctx context.Context, name string, open func() (io.ReadCloser, error), options SourceFlags) (*Source, error) {
	pipe := interruptible(ctx, open)
	reader := bufio.NewReader(pipe)
	if err := expectNDJSON(name, reader); err != nil {
		return nil, errors.Join(err, pipe.Close())
	}
	return ndjsonSource(reader, 0, int(options.MaxLineBytes), pipe.Close), nil
}

func ndjsonSource(r io.Reader, total int64, maxLineBytes int, closeSource func() error) *Source {
	counted, lines, line := &countingReader{source: r}, newLines(), 0
	scopes := ndjson.ScopesOfLines(counted, maxLineBytes, func(number int) { line = number })
	return &Source{
		Scopes: markInput(scopes, func(scope *symdbv1.Scope) { lines.add(scope, line) }),
		Close:  closeSource,
		Lines:  lines,
		total:  total,
		unit:   unitBytes,
		done:   counted.count.Load,
	}
}

// markInput turns errors into an [*InputError], and calls read for each scope.
func markInput(scopes iter.Seq2[*symdbv1.Scope, error], read func(*symdbv1.Scope)) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for scope, err := range scopes {
			if err != nil {
				err = &InputError{Err: err}
			} else {
				read(scope)
			}
			if !yield(scope, err) {
				return
			}
		}
	}
}

// isExecutable reports whether head begins an executable in a format that Go builds.
func isExecutable(head []byte) bool {
	for _, magic := range []string{
		"\x7fELF", "MZ",
		"\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// javaMagicBytes is how many bytes of a file otherBinary needs.
const javaMagicBytes = 8

// otherBinary returns an error with advice if head begins a file of another common format.
func otherBinary(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")):
		// What follows is Java's version, at least 45, or the number of architectures.
		if len(head) < javaMagicBytes || binary.BigEndian.Uint32(head[4:]) < 45 {
			return errors.New("a Mach-O file for several architectures: extract one with `lipo -thin`")
		}
		return errors.New("a Java class: its tracer uploads it")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return errors.New("the file is compressed: decompress it first")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("an archive (ZIP, JAR), not a Go binary or NDJSON")
	}
	return nil
}

// expectNDJSON fails if r, which has a name, does not begin like NDJSON. It consumes
// nothing.
func expectNDJSON(name string, r *bufio.Reader) error {
	err := checkBeginning(r)
	if _, isNamed := errors.AsType[*fs.PathError](err); err == nil || isNamed {
		return err
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func checkBeginning(r *bufio.Reader) error {
	const maxBlankBytes = 1 << 10
	head, _ := r.Peek(len(textfile.BOM))
	skip, err := textfile.Begin(head)
	if err != nil {
		return &InputError{Err: &ndjson.Error{Line: 1, Reason: err.Error()}}
	}
	for n := skip + 1; n <= maxBlankBytes; n++ {
		head, err := r.Peek(n)
		switch {
		case errors.Is(err, io.EOF):
			return &InputError{Err: errors.New("no scopes found")}
		case err != nil:
			return &InputError{Err: err}
		}
		switch first := head[n-1]; {
		case first == '{':
			return nil
		case !bytes.ContainsRune([]byte(" \t\r\n"), rune(first)):
			return wrongContent(r)
		}
	}
	return nil // the lines that follow are read as any others
}

func wrongContent(r *bufio.Reader) error {
	head, _ := r.Peek(javaMagicBytes)
	if err := otherBinary(head); err != nil {
		return &InputError{Err: err}
	}
	if isExecutable(head) {
		return &InputError{Err: errors.New("a binary can't be read from a pipe: pass its path")}
	}
	return &InputError{Err: errors.New("neither an executable (ELF, Mach-O, PE) nor NDJSON, whose lines begin with {")}
}

// countingReader counts the bytes read. Other goroutines may read the count.
type countingReader struct {
	source io.Reader
	count  atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.count.Add(int64(n))
	return n, err
}

// interruptible returns a reader of a file that fails with the error of ctx once ctx is
// done. Neither open nor a read can be interrupted, so their goroutine may outlive ctx until
// the other end opens, writes or closes.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		file, err := open()
		if err == nil {
			defer file.Close()
			_, err = io.Copy(in, file)
		}
		_ = in.CloseWithError(err)
	}()
	return out
}

// InputError is an input that can't be read or has wrong content.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }
