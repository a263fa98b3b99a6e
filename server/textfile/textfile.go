// Package textfile reads the text files that an operator writes: settings, tenants,
// keys and certificates. Start at [Read] and [ReadOnce].
//
// Neither waits for a writer that is not there, both bound what they read, and both
// take UTF-8 with or without a byte order mark. It does not parse anything.
package textfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// Read reads a regular file of at most maxBytes. It is for files that are read
// again whenever they may have changed: a pipe gives its content only once, and a
// device may have no end.
func Read(path string, maxBytes int64) ([]byte, error) {
	file, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s, not a regular file", path, kindOf(info.Mode()))
	}
	return read(file, info, maxBytes)
}

// ReadOnce reads a file of at most maxBytes, which may also be a pipe, as /dev/stdin
// and a shell's <(command) are. It waits for the writer of a pipe until ctx ends, but
// refuses a pipe that nobody has opened for writing.
func ReadOnce(ctx context.Context, path string, maxBytes int64) ([]byte, error) {
	file, info, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	content, err := read(file, info, maxBytes)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read %s: %w", path, ctx.Err())
	case err == nil && len(content) == 0 && info.Mode()&fs.ModeNamedPipe != 0:
		return nil, fmt.Errorf("%s is a pipe that nobody writes to", path)
	}
	return content, err
}

// open opens a file without waiting for anybody: of a pipe without a writer, only
// reading then says that there is none.
func open(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, unnamed(path, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(unnamed(path, err), file.Close())
	}
	return file, info, nil
}

func read(file *os.File, info fs.FileInfo, maxBytes int64) ([]byte, error) {
	tooLong := fmt.Errorf("%s is longer than %d bytes", file.Name(), maxBytes)
	if info.Mode().IsRegular() && info.Size() > maxBytes {
		return nil, tooLong
	}
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return nil, unnamed(file.Name(), err)
	}
	if int64(len(content)) > maxBytes {
		return nil, tooLong
	}
	skip, err := Begin(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return content[skip:], nil
}

// hidden stands for a path that [Name] does not show.
const hidden = "(a path that is not shown, as it may be a secret)"

// Name returns a path as people may see it. A path to nothing may be a key that was
// given in place of its file's path: it is shown only where it leads into a folder
// that is there and that it names itself, or ends like a file's name.
func Name(path string) string {
	if _, err := os.Lstat(path); err == nil || len(path) < minSecretBytes || fileName.MatchString(path) {
		return path
	}
	folder := filepath.Dir(path)
	if folder == "." || folder == string(filepath.Separator) {
		return hidden
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return hidden
	}
	return path
}

// minSecretBytes is below the length of any key.
const minSecretBytes = 6

// fileName matches paths with a suffix such as .pem or .ndjson, which a key is most
// unlikely to have, and with nothing that a path has not.
var fileName = regexp.MustCompile(`^[^\s\x00]{1,200}\.[a-z]{2,6}$`)

// unnamed returns an error about a file that shows its path as Name does.
func unnamed(path string, err error) error {
	wrong, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return fmt.Errorf("%s: %w", Name(path), err)
	}
	return &fs.PathError{Op: wrong.Op, Path: Name(path), Err: wrong.Err}
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
