package tenant

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/scopegate/scopegate/server/internal/secret"
	"github.com/scopegate/scopegate/server/textfile"
)

// Watcher reads a file of tenants again when it, or a file that it names, has
// changed. It compares what the files hold, so it doesn't matter how they are
// replaced or mounted. It is for one goroutine.
type Watcher struct {
	path string
	// settled are the files as they were read last, and pending what they held since.
	settled, pending []source
}

// source is a file, and what it held.
type source struct {
	path string
	sum  [sha256.Size]byte
}

// look reads a file. An error counts as what it holds.
func look(path string, maxBytes int64) (source, []byte, error) {
	content, err := textfile.Read(path, maxBytes)
	held := append([]byte{0}, content...)
	if err != nil {
		held = append([]byte{1}, err.Error()...)
	}
	return source{path: path, sum: sha256.Sum256(held)}, content, err
}

// read reads a file that the table depends on.
func (r *reading) read(path string, maxBytes int64) ([]byte, error) {
	file, content, err := look(path, maxBytes)
	r.files = append(r.files, file)
	return content, err
}

// NewWatcher returns a watcher, and the table as it is now.
func NewWatcher(path string) (*Watcher, *Table, error) {
	w := &Watcher{path: path}
	table, err := w.read()
	if err != nil {
		return nil, nil, err
	}
	return w, table, nil
}

func (w *Watcher) read() (table *Table, err error) {
	table, w.settled, err = read(w.path)
	w.pending = w.settled
	return table, err
}

// Look returns the table anew when the files have changed, and are the same as at
// the look before: so that one which is just being written is not read by half.
// Otherwise it returns nil. It fails, once, where the files are not in order any
// more. It waits for nobody: what is no regular file is not read.
func (w *Watcher) Look() (*Table, error) {
	now := w.observe()
	stable := slices.Equal(now, w.pending)
	w.pending = now
	if !stable || slices.Equal(now, w.settled) {
		return nil, nil //nolint:nilnil // nothing has changed, or it may still change
	}
	return w.read()
}

// observe returns the files as they are now.
func (w *Watcher) observe() []source {
	now := make([]source, len(w.settled))
	for i, file := range w.settled {
		maxBytes := int64(secret.MaxBytes)
		if i == 0 {
			maxBytes = maxFileBytes
		}
		now[i], _, _ = look(file.path, maxBytes)
	}
	return now
}

// DefaultInterval is how often to look.
const DefaultInterval = time.Second
