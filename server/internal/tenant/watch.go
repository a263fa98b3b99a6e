package tenant

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Watcher reads a file of tenants again when it, or a file that it names, has
// changed. It compares what the files hold, so it doesn't matter how they are
// replaced or mounted. It is for one goroutine.
type Watcher struct {
	path  string
	paths []string
	// settled is what the files held when they were read last, and pending what
	// they held since.
	settled, pending [sha256.Size]byte
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

// read reads the files, and notes what they held before that: what changes
// meanwhile is seen at the next look.
func (w *Watcher) read() (*Table, error) {
	_, w.paths, _ = Read(w.path) // for the paths
	w.settled = w.observe()
	table, _, err := Read(w.path)
	return table, err
}

// Look returns the table anew when the files have changed, and are the same as at
// the look before: so that one which is just being written is not read by half.
// Otherwise it returns nil. It fails, once, where the files are not in order any
// more.
func (w *Watcher) Look() (*Table, error) {
	now := w.observe()
	switch now {
	case w.settled:
		w.pending = now
		return nil, nil //nolint:nilnil // nothing has changed
	case w.pending:
	default:
		w.pending = now
		return nil, nil //nolint:nilnil // not yet
	}
	return w.read()
}

// observe sums up what the files hold.
func (w *Watcher) observe() [sha256.Size]byte {
	sum := sha256.New()
	for _, path := range w.paths {
		content, err := readFile(path, maxFileBytes)
		if err != nil {
			content = []byte(err.Error())
		}
		_ = binary.Write(sum, binary.BigEndian, int64(len(content)))
		sum.Write(content)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// DefaultInterval is how often to look.
const DefaultInterval = time.Second
