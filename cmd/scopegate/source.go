package main

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

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/textfile"
)

// source is where scopes come from.
type source struct {
	scopes iter.Seq2[*symdbv1.Scope, error]
	close  func() error
	// repeatable tells that scopes can be ranged over again.
	repeatable bool
	// service, version and language are what the source tells of them, else empty.
	service, version, language string
	// total is how many of unit there are, 0 where that is not known; done is how
	// many have been read.
	total int64
	unit  unit
	done  func() int64
}

// unit is what a source is measured in.
type unit string

const (
	unitPackages unit = "packages"
	unitBytes    unit = "bytes"
)

const stdinPath = "-"

// openSource opens a Go binary or NDJSON, whichever the content tells.
func openSource(ctx context.Context, path string, stdin io.Reader, options sourceFlags) (*source, error) {
	if path == stdinPath {
		reader := bufio.NewReader(interruptible(ctx, stdin))
		if err := expectNDJSON(reader); err != nil {
			return nil, fmt.Errorf("read stdin: %w", err)
		}
		return ndjsonSource(reader, 0, int(options.MaxLineBytes), func() error { return nil }), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, &inputError{err}
	}
	reader := bufio.NewReader(file)
	head, _ := reader.Peek(javaMagicBytes)
	if err := otherBinary(head); err != nil {
		return nil, errors.Join(&inputError{fmt.Errorf("read %s: %w", path, err)}, file.Close())
	}
	if isExecutable(head) {
		if err := file.Close(); err != nil {
			return nil, fmt.Errorf("close %s: %w", path, err)
		}
		return openBinary(path, options)
	}
	if err := expectNDJSON(reader); err != nil {
		if !isType[*fs.PathError](err) { // which names the file
			err = fmt.Errorf("read %s: %w", path, err)
		}
		return nil, errors.Join(err, file.Close())
	}
	var total int64
	if stat, err := file.Stat(); err == nil && stat.Mode().IsRegular() {
		total = stat.Size()
	}
	return ndjsonSource(reader, total, int(options.MaxLineBytes), file.Close), nil
}

func openBinary(path string, options sourceFlags) (*source, error) {
	selection := gosym.AllPackages()
	if options.MainModule {
		selection = gosym.MainModuleOnly()
	}
	program, err := gosym.Open(path, selection)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w; the file may have been cut off", err)
	}
	if err != nil {
		return nil, &inputError{err}
	}
	var done atomic.Int64
	return &source{
		scopes: func(yield func(*symdbv1.Scope, error) bool) {
			done.Store(0) // it may be ranged over again
			markInput(program.Packages(), func() { done.Add(1) })(yield)
		},
		repeatable: true,
		close:      program.Close,
		service:    program.Service(),
		version:    program.Version(),
		language:   "go",
		total:      int64(program.PackageCount()),
		unit:       unitPackages,
		done:       done.Load,
	}, nil
}

func ndjsonSource(r io.Reader, total int64, maxLineBytes int, closeSource func() error) *source {
	counted := &countingReader{source: r}
	return &source{
		scopes: markInput(ndjson.Scopes(counted, maxLineBytes), func() {}),
		close:  closeSource,
		total:  total,
		unit:   unitBytes,
		done:   counted.count.Load,
	}
}

// markInput makes errors an [*inputError], and calls read for each scope.
func markInput(scopes iter.Seq2[*symdbv1.Scope, error], read func()) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for scope, err := range scopes {
			if err != nil {
				err = &inputError{err}
			} else {
				read()
			}
			if !yield(scope, err) {
				return
			}
		}
	}
}

// isExecutable tells an executable, in any format that Go builds, by its first
// bytes.
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

// javaMagicBytes is the length of the beginning by which otherBinary tells its kinds
// apart.
const javaMagicBytes = 8

// otherBinary names what is often taken for what can be read.
func otherBinary(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")):
		// Java's version is behind it, and at least 45; or the number of architectures.
		if len(head) < javaMagicBytes || binary.BigEndian.Uint32(head[4:]) < 45 {
			return errors.New("a Mach-O file for several architectures: take one out with `lipo -thin`")
		}
		return errors.New("a Java class: its tracer uploads it")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return errors.New("it is compressed: decompress it first")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return errors.New("an archive (ZIP, JAR): give a Go binary, or NDJSON")
	}
	return nil
}

// maxBlankBytes bounds the white space ahead of the first scope.
const maxBlankBytes = 1 << 10

// expectNDJSON looks at the beginning of r, and takes nothing from it.
func expectNDJSON(r *bufio.Reader) error {
	head, _ := r.Peek(len(textfile.BOM))
	skip, err := textfile.Begin(head)
	if err != nil {
		return &inputError{err}
	}
	for n := skip + 1; n <= maxBlankBytes; n++ {
		head, err := r.Peek(n)
		switch {
		case errors.Is(err, io.EOF):
			return &inputError{errors.New("there is no scope in it")}
		case err != nil:
			return &inputError{err}
		}
		switch first := head[n-1]; {
		case first == '{':
			return nil
		case !bytes.ContainsRune([]byte(" \t\r\n"), rune(first)):
			return wrongContent(r)
		}
	}
	return wrongContent(r)
}

func wrongContent(r *bufio.Reader) error {
	head, _ := r.Peek(javaMagicBytes)
	if err := otherBinary(head); err != nil {
		return &inputError{err}
	}
	switch {
	case isExecutable(head):
		return &inputError{errors.New("a binary can't be read from a pipe: give its path")}
	}
	return &inputError{errors.New("neither an executable (ELF, Mach-O, PE) nor NDJSON, whose lines begin with {")}
}

// countingReader counts what is read, for a progress bar in another goroutine.
type countingReader struct {
	source io.Reader
	count  atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.count.Add(int64(n))
	return n, err
}

// interruptible returns what r returns, or the error of ctx once that has ended.
// A read of stdin can't be broken off, so its goroutine may outlive ctx until
// the other end writes or closes; it then ends by itself.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(in, r)
		stop()
		_ = in.CloseWithError(err)
	}()
	return out
}
