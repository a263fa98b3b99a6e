package devintake

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	fileSuffix  = ".json.gz"
	eventSuffix = ".event.json"
	tempPrefix  = ".incoming-"
)

type sum = [sha256.Size]byte

// body is a stored gzip: in memory, or in the file at path.
type body struct {
	bytes []byte
	path  string
}

// Open opens the gzip of the batch.
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

// Gzip returns the gzip of the batch, which the caller must not change.
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

// keep stores the gzip and the event of a batch. The gzip comes last: if it exists, the batch is
// complete.
func (s *spool) keep(key string, batchNum int, event []byte) (body, error) {
	if s.file == nil {
		return body{bytes: bytes.Clone(s.memory.Bytes())}, nil
	}
	path := filepath.Join(s.dir, key, strconv.Itoa(batchNum))
	if err := s.rename(path, event); err != nil {
		return body{}, &storeError{err}
	}
	return body{path: path + fileSuffix}, nil
}

func (s *spool) rename(path string, event []byte) error {
	if err := s.file.Close(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	eventTemp := s.file.Name() + eventSuffix
	if err := os.WriteFile(eventTemp, event, 0o600); err != nil {
		return errors.Join(err, os.Remove(eventTemp))
	}
	if err := os.Rename(eventTemp, path+eventSuffix); err != nil {
		return errors.Join(err, os.Remove(eventTemp))
	}
	return os.Rename(s.file.Name(), path+fileSuffix)
}

// discard removes the temporary file. After keep it does nothing.
func (s *spool) discard() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}

// accept stores a checked batch unless it is already stored.
func (in *Intake) accept(env envelope, runtimeID string, spooled *spool, event []byte) (Receipt, error) {
	receipt := Receipt{
		UploadID:        env.uploadID,
		RuntimeID:       runtimeID,
		Service:         env.service,
		Env:             env.env,
		Version:         env.version,
		Language:        env.language,
		BatchNum:        env.batchNum,
		Final:           env.final,
		ScopeCount:      env.scopeCount,
		RawBytes:        env.rawBytes,
		CompressedBytes: spooled.size,
	}
	arrived := newBatch(env, runtimeID, spooled.meter, event)
	key := uploadKey(env.uploadID)

	in.mu.Lock()
	defer in.mu.Unlock()
	if stored := in.find(key, env.batchNum); stored != nil {
		if stored.fileSum != arrived.fileSum || stored.eventSum != arrived.eventSum {
			stored.snapshot.ConflictCount++
			return Receipt{}, refuse(http.StatusConflict,
				"batch %d of upload %s is stored with other bytes", env.batchNum, env.uploadID)
		}
		stored.snapshot.RepeatCount++
		receipt.Repeat = true
		return receipt, nil
	}
	kept, err := spooled.keep(key, env.batchNum, event)
	if err != nil {
		return Receipt{}, err
	}
	arrived.snapshot.body = kept
	in.add(key, arrived)
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
		num, ok := strings.CutSuffix(entry.Name(), fileSuffix)
		if !ok {
			continue
		}
		b, err := in.loadBatch(filepath.Join(in.opts.Dir, name, num))
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(name, entry.Name()), err)
		}
		if uploadKey(b.uploadID) != name || strconv.Itoa(b.batchNum) != num {
			return fmt.Errorf("%s: holds batch %d of upload %s",
				filepath.Join(name, entry.Name()), b.batchNum, b.uploadID)
		}
		in.add(name, b)
	}
	return nil
}

// loadBatch checks the two files of a batch, given their path without suffix.
func (in *Intake) loadBatch(path string) (*batch, error) {
	event, err := os.ReadFile(filepath.Clean(path + eventSuffix))
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Clean(path + fileSuffix))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	read := newMeter()
	env, err := in.readFile(io.TeeReader(file, read))
	if err != nil {
		return nil, err
	}
	runtimeID, err := checkEvent(event, env, read.size)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	b := newBatch(env, runtimeID, read, event)
	b.snapshot.body = body{path: path + fileSuffix}
	return b, nil
}
