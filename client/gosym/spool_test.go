package gosym_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
)

// The temporary file is not visible, even while the binary is open.
func TestTemporaryFileHasNoName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, program(t), gosym.WithTempDir(dir))
	empty := func(when string) {
		t.Helper()
		if names, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(names) > 0 {
			t.Errorf("%s: %v, %v in the directory, want nothing", when, names, err)
		}
	}
	empty("after Open")
	for _, err := range b.Packages() {
		if err != nil {
			t.Error(err)
		}
		empty("in a range")
		break
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	empty("after Close")
}

// If no file is possible, everything is in memory, and the scopes are the same.
func TestWithoutTemporaryFile(t *testing.T) {
	t.Parallel()
	want := everything(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "missing"), file} {
		b := open(t, program(t), gosym.WithTempDir(dir))
		for name, scope := range packages(t, b) {
			if !proto.Equal(scope, want[name]) {
				t.Errorf("in memory, package %s differs", name)
			}
		}
	}
}

func TestMaxMemory(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, tt := range map[string]struct {
		options []gosym.Option
		want    error
	}{
		"enough":                 {[]gosym.Option{gosym.WithMaxMemory(64 << 20), gosym.WithTempDir(missing)}, nil},
		"too little for all":     {[]gosym.Option{gosym.WithMaxMemory(700 << 10), gosym.WithTempDir(missing)}, gosym.ErrMaxMemory},
		"enough beside a file":   {[]gosym.Option{gosym.WithMaxMemory(700 << 10)}, nil},
		"too little for a index": {[]gosym.Option{gosym.WithMaxMemory(60 << 10)}, gosym.ErrMaxMemory},
		"no limit":               {[]gosym.Option{gosym.WithMaxMemory(0), gosym.WithTempDir(missing)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := gosym.Open(t.Context(), program(t), tt.options...)
			if err == nil {
				err = b.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}
