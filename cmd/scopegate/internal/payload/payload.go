// Package payload reads the root scopes of stored uploads: from a file, a directory or a running
// development intake. Start at [Find].
//
// A file is NDJSON, an envelope, or several of either, and may be gzipped. The package keeps all
// keys of a scope and does not check them. To read scopes as protobuf, use package ndjson.
package payload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Scopes yields root scopes as encoding/json decodes them with UseNumber. The consumer owns them.
// The first error ends the sequence. It can be ranged over again.
type Scopes = iter.Seq2[map[string]any, error]

// Find returns the scopes of an upload: of a file, of the files in a directory, at the URL of an upload
// in a development intake, or with the given ID in the intake at the URL intake. It fails if the name
// is not valid. Nothing is read yet. The sequence ends when ctx does.
func Find(ctx context.Context, name, intake string) (Scopes, error) {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return remote(ctx, name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && uuid.Validate(name) == nil:
		return remote(ctx, strings.TrimRight(intake, "/")+"/uploads/"+name)
	case err != nil:
		return nil, err
	case info.IsDir():
		return folder(ctx, name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file: only those can be read twice", name)
	}
	return files(ctx, []string{name}), nil
}

// suffixes are the suffixes of files with payloads.
var suffixes = []string{".json.gz", ".json", ".ndjson.gz", ".ndjson", ".jsonl.gz", ".jsonl"}

// besides are the suffixes of files that the development intake stores beside its batches.
var besides = []string{".event.json", ".request.json"}

func folder(ctx context.Context, path string) (Scopes, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		hasSuffix := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
		if entry.Type().IsRegular() && slices.ContainsFunc(suffixes, hasSuffix) && !slices.ContainsFunc(besides, hasSuffix) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no file to compare: none ends in %s", path, strings.Join(suffixes, ", "))
	}
	slices.SortFunc(names, byNumber)
	for i, name := range names {
		names[i] = filepath.Join(path, name)
	}
	return files(ctx, names), nil
}

// byNumber orders the names of files by the numbers that they begin with.
func byNumber(a, b string) int {
	number := func(name string) int {
		digits, _, _ := strings.Cut(name, ".")
		n, _ := strconv.Atoi(digits)
		return n
	}
	return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
}

func files(ctx context.Context, paths []string) Scopes {
	return func(yield func(map[string]any, error) bool) {
		for _, path := range paths {
			err := readFile(ctx, path, yield)
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", path, err))
				return
			}
		}
	}
}

func readFile(ctx context.Context, path string, yield func(map[string]any, error) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return read(ctx, file, yield)
}

// errStopped means that the consumer wants no more scopes.
var errStopped = errors.New("stopped")

// read yields the scopes in r. It returns errStopped once yield returns false, and does not yield
// its errors.
func read(ctx context.Context, r io.Reader, yield func(map[string]any, error) bool) error {
	return Read(r, func(scope map[string]any) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !yield(scope, nil) {
			return errStopped
		}
		return nil
	})
}
