//go:build unix

package gosym_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/client/gosym"
)

// The pipe has no writer, so opening it would block forever.
func TestDebugFileIsPipe(t *testing.T) {
	t.Parallel()
	s := splitProgram(t)
	folder := t.TempDir()
	exe := place(t, withDebugLink(t, s.stripped, linkTo("shop.debug", s.debug)), folder, "shop")
	if err := syscall.Mkfifo(filepath.Join(folder, "shop.debug"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := gosym.Open(t.Context(), exe)
	if !errors.Is(err, gosym.ErrNoDWARF) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want %v", err, gosym.ErrNoDWARF)
	}
}
