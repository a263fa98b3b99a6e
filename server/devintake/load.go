package devintake

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// load takes over what an earlier intake left in the directory, and checks it
// as if it had just come.
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
