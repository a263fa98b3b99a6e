// Package textfile reads text files that operators write: settings, tenants, keys and
// certificates. Start at [Read] and [ReadOnce]. Both limit the length, remove a byte order
// mark, and do not wait for a pipe that has no writer.
package textfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Read reads a regular file of at most maxBytes. Use it for files that are reread: a pipe
// has its content only once, and a device may have no end.
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

// ReadOnce reads a file of at most maxBytes, which may be a pipe such as /dev/stdin or a
// shell's <(command). It waits for the writer of a pipe until ctx ends, and fails at once
// if there is no writer.
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
		return nil, fmt.Errorf("%s is a pipe without a writer", path)
	}
	return content, err
}

// open opens a file without waiting for the writer of a pipe.
func open(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, hidePath(path, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(hidePath(path, err), file.Close())
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
		return nil, hidePath(file.Name(), err)
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

const hidden = "(path hidden: it may be a secret)"

// Name returns a path for a message. A path that does not exist may be a key, given by
// mistake instead of a path. Name hides it if a part of it looks like a key, unless it ends
// like a file name or leads into a folder that exists.
func Name(path string) string {
	if _, err := os.Lstat(path); err == nil || len(path) < minSecretBytes || fileName.MatchString(path) || isReadable(path) {
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

// fileName matches paths with a suffix such as .pem or .ndjson, which keys rarely have.
var fileName = regexp.MustCompile(`^[^\s\x00]{1,200}\.[a-z]{2,6}$`)

// isReadable reports whether a path looks like names chosen by people, not like a key.
func isReadable(path string) bool {
	if len(path) > maxPathBytes || strings.Contains(path, "-----BEGIN") ||
		strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return strings.ContainsRune(`/\-_. `, r) }) {
		if looksRandom(part) {
			return false
		}
	}
	return true
}

const (
	// maxPathBytes is longer than most paths.
	maxPathBytes = 200
	// maxWordBytes is longer than most words, and shorter than a key.
	maxWordBytes = 20
	// maxTurns is how often a name turns from letters to digits or back, and maxCapitals
	// how often a capital begins another word in it.
	maxTurns, maxCapitals = 2, 4
)

// looksRandom reports whether a word is too long or too mixed to be one.
func looksRandom(word string) bool {
	if len(word) > maxWordBytes || strings.ContainsAny(word, "=+") {
		return true
	}
	turns, capitals, before := 0, 0, rune(0)
	for _, r := range word {
		switch {
		case before == 0:
		case unicode.IsDigit(r) != unicode.IsDigit(before):
			turns++
		case unicode.IsUpper(r) && unicode.IsLower(before):
			capitals++
		}
		before = r
	}
	return turns > maxTurns || capitals > maxCapitals
}

// hidePath replaces the path in err by its Name.
func hidePath(path string, err error) error {
	pathErr, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return fmt.Errorf("%s: %w", Name(path), err)
	}
	return &fs.PathError{Op: pathErr.Op, Path: Name(path), Err: pathErr.Err}
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
	return "a special file"
}

// BOM is the byte order mark, which some editors write at the start of a file.
const BOM = "\ufeff"

var errUTF16 = errors.New("the text is UTF-16, not UTF-8; save it as UTF-8")

// Begin returns the length of the byte order mark that text starts with, or 0. It fails if
// the text is UTF-16 or UTF-32. Only the first three bytes count.
func Begin(text []byte) (int, error) {
	switch {
	case bytes.HasPrefix(text, []byte(BOM)):
		return len(BOM), nil
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")),
		bytes.IndexByte(text[:min(2, len(text))], 0) >= 0: // no mark, but ASCII in two bytes
		return 0, errUTF16
	}
	return 0, nil
}
