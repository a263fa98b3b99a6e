package tenant

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/textfile"
)

// Watcher rereads a tenants file when it, or a file that it names, has changed. It
// compares contents, so it does not matter how the files are replaced or mounted. It is
// not safe for concurrent use.
type Watcher struct {
	path string
	// loaded are the files as of the last load, seen as of the last look.
	loaded, seen []source
}

// source is a file with the hash of its content, or of the error when reading it.
type source struct {
	path string
	sum  [sha256.Size]byte
}

func readSource(path string, maxBytes int64) (source, []byte, error) {
	content, err := textfile.Read(path, maxBytes)
	held := append([]byte{0}, content...)
	if err != nil {
		held = append([]byte{1}, err.Error()...)
	}
	return source{path: path, sum: sha256.Sum256(held)}, content, err
}

// read reads a file, and records that the table depends on it.
func (r *reader) read(path string, maxBytes int64) ([]byte, error) {
	file, content, err := readSource(path, maxBytes)
	r.files = append(r.files, file)
	return content, err
}

// NewWatcher returns a watcher and the current table.
func NewWatcher(path string) (*Watcher, *Table, error) {
	w := &Watcher{path: path}
	table, err := w.read()
	if err != nil {
		return nil, nil, err
	}
	return w, table, nil
}

func (w *Watcher) read() (table *Table, err error) {
	table, w.loaded, err = read(w.path)
	w.seen = w.loaded
	return table, err
}

// Look returns a new table if the files have changed since the last load but not since
// the last look, so that it does not read files that are still being written. Otherwise
// it returns nil. It returns an error once if the changed files are invalid.
func (w *Watcher) Look() (*Table, error) {
	now := make([]source, len(w.loaded))
	for i, file := range w.loaded {
		maxBytes := int64(secret.MaxBytes)
		if i == 0 {
			maxBytes = maxFileBytes
		}
		now[i], _, _ = readSource(file.path, maxBytes)
	}
	stable := slices.Equal(now, w.seen)
	w.seen = now
	if !stable || slices.Equal(now, w.loaded) {
		return nil, nil //nolint:nilnil // unchanged, or still changing
	}
	return w.read()
}

// DefaultInterval is the recommended time between looks.
const DefaultInterval = time.Second
