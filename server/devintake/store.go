package devintake

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	gzipSuffix    = ".json.gz"
	plainSuffix   = ".json"
	eventSuffix   = ".event.json"
	requestSuffix = ".request.json"
	tempPrefix    = ".incoming-"
)

type sum = [sha256.Size]byte

// body is a stored file part: in memory, or in the file at path.
type body struct {
	bytes []byte
	path  string
}

// Open opens the file part of the batch: gzip, unless the batch is plain.
func (b Batch) Open() (io.ReadCloser, error) {
	if b.body.path == "" {
		return io.NopCloser(bytes.NewReader(b.body.bytes)), nil
	}
	file, err := os.Open(filepath.Clean(b.body.path))
	if err != nil {
		return nil, fmt.Errorf("open batch %d: %w", b.BatchNum, err)
	}
	return file, nil
}

// Gzip returns the file part of the batch, which the caller must not change: gzip, unless the batch
// is plain.
func (b Batch) Gzip() ([]byte, error) {
	if b.body.path == "" {
		return b.body.bytes, nil
	}
	compressed, err := os.ReadFile(filepath.Clean(b.body.path))
	if err != nil {
		return nil, fmt.Errorf("read batch %d: %w", b.BatchNum, err)
	}
	return compressed, nil
}

// meter counts and hashes what is written to it.
type meter struct {
	hash hash.Hash
	size int64
}

func newMeter() *meter { return &meter{hash: sha256.New()} }

// Write never fails.
func (m *meter) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	return m.hash.Write(p)
}

func (m *meter) sum() sum { return sum(m.hash.Sum(nil)) }

// spool holds a file part while it is checked: in a temporary file if there is a directory, else
// in memory.
type spool struct {
	*meter
	dir    string
	memory bytes.Buffer
	file   *os.File
}

func newSpool(dir string) (*spool, error) {
	s := &spool{meter: newMeter(), dir: dir}
	if dir == "" {
		return s, nil
	}
	file, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return nil, &storeError{err}
	}
	s.file = file
	return s, nil
}

// Write appends to the spool.
func (s *spool) Write(p []byte) (int, error) {
	if _, err := s.meter.Write(p); err != nil {
		return 0, err
	}
	if s.file == nil {
		return s.memory.Write(p)
	}
	n, err := s.file.Write(p)
	if err != nil {
		return n, &storeError{err}
	}
	return n, nil
}

// keep stores the file part, the event and the other data of a batch. The file comes last: if it
// exists, the batch is complete.
func (s *spool) keep(b *batch, about asked) (body, error) {
	if s.file == nil {
		return body{bytes: bytes.Clone(s.memory.Bytes())}, nil
	}
	path := filepath.Join(s.dir, uploadKey(b.uploadID), strconv.Itoa(b.batchNum))
	request, err := json.Marshal(about)
	if err == nil {
		err = s.file.Close()
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o750)
	}
	if err == nil {
		err = s.put(path+requestSuffix, request)
	}
	if err == nil {
		err = s.put(path+eventSuffix, b.snapshot.Event)
	}
	suffix := gzipSuffix
	if b.plain {
		suffix = plainSuffix
	}
	if err == nil {
		err = os.Rename(s.file.Name(), path+suffix)
	}
	if err != nil {
		return body{}, &storeError{err}
	}
	return body{path: path + suffix}, nil
}

// put writes a file atomically: it is complete once it exists.
func (s *spool) put(path string, content []byte) error {
	temp := s.file.Name() + requestSuffix
	err := os.WriteFile(temp, content, 0o600)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// discard removes the temporary file. After keep it does nothing.
func (s *spool) discard() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// accept stores a checked batch unless it is already stored.
func (in *Intake) accept(arrived *batch, about asked, spooled *spool) (Receipt, error) {
	receipt := arrived.receipt()
	key := uploadKey(arrived.uploadID)

	in.mu.Lock()
	defer in.mu.Unlock()
	if stored := in.find(key, arrived.batchNum); stored != nil {
		if stored.fileSum != arrived.fileSum || stored.eventSum != arrived.eventSum {
			stored.snapshot.ConflictCount++
			return Receipt{}, refuse(http.StatusConflict,
				"batch %d of upload %s is already stored with other bytes", arrived.batchNum, arrived.uploadID)
		}
		stored.snapshot.RepeatCount++
		receipt.Repeat = true
		return receipt, nil
	}
	kept, err := spooled.keep(arrived, about)
	if err != nil {
		return Receipt{}, err
	}
	arrived.snapshot.body = kept
	receipt.Deviations = in.add(key, arrived)
	return receipt, nil
}

// load loads and checks the batches in the directory.
func (in *Intake) load() error {
	dir := in.opts.Dir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		switch {
		case strings.HasPrefix(entry.Name(), tempPrefix) && entry.Type().IsRegular():
			err = os.Remove(filepath.Join(dir, entry.Name()))
		case entry.IsDir() && isUUID(entry.Name()):
			err = in.loadUpload(entry.Name())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *Intake) loadUpload(name string) error {
	entries, err := os.ReadDir(filepath.Join(in.opts.Dir, name))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		num, suffix, ok := strings.Cut(entry.Name(), ".")
		if suffix = "." + suffix; !ok || suffix != gzipSuffix && suffix != plainSuffix {
			continue
		}
		b, err := in.loadBatch(filepath.Join(in.opts.Dir, name, num), suffix)
		if err == nil && (uploadKey(b.uploadID) != name || strconv.Itoa(b.batchNum) != num) {
			err = fmt.Errorf("holds batch %d of upload %s", b.batchNum, b.uploadID)
		}
		if err == nil {
			in.add(name, b)
			continue
		}
		err = fmt.Errorf("%s: %w", filepath.Join(name, entry.Name()), err)
		if in.opts.OnSkip == nil {
			return err
		}
		in.opts.OnSkip(err)
	}
	return nil
}

// loadBatch checks the files of a batch, given their path without suffix and the suffix of the file
// part.
func (in *Intake) loadBatch(path, suffix string) (*batch, error) {
	text, err := os.ReadFile(filepath.Clean(path + eventSuffix))
	if err != nil {
		return nil, err
	}
	about, err := loadAsked(path + requestSuffix)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Clean(path + suffix))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	read, content := newMeter(), &findings{lenient: in.opts.Lenient}
	env, err := in.readFile(io.TeeReader(file, read), content)
	if err != nil {
		return nil, err
	}
	ev, err := checkEvent(text, env, read.size, content)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	b := newBatch(env, ev, about, content, read, text)
	b.snapshot.body = body{path: path + suffix}
	return b, nil
}

// loadAsked loads what was stored beside a batch. Directories of older versions do not have it.
func loadAsked(path string) (about asked, err error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) {
		return about, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &about)
	}
	return about, err
}
