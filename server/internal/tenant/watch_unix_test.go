//go:build unix

package tenant_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/server/internal/tenant"
)

// TestWatcherDoesNotHang puts what is no file in the place of the file of tenants, and
// of a key file. Nobody writes to the pipes, and the devices have no end.
func TestWatcherDoesNotHang(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(path string) error{
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a device":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"a huge file": func(path string) error {
			file, err := os.Create(path)
			if err != nil {
				return err
			}
			if err := file.Truncate(1 << 40); err != nil {
				t.Skip(err) // the file system has no holes
			}
			return file.Close()
		},
		"nothing":         func(string) error { return nil },
		"a link to it":    func(path string) error { return os.Symlink(path, path) },
		"not for reading": func(path string) error { return os.WriteFile(path, []byte{0xff, 0xfe}, 0o200) },
	} {
		for _, which := range []string{"tenants.yaml", "key"} {
			t.Run(name+" for "+which, func(t *testing.T) {
				t.Parallel()
				const content = "tenants: [{name: a, certificates: [x], intake: {url: u, api_key_file: key}}]"
				path := write(t, content)
				keyPath := filepath.Join(filepath.Dir(path), "key")
				overwrite(t, keyPath, "first")
				watcher, _, err := tenant.NewWatcher(path)
				if err != nil {
					t.Fatal(err)
				}
				gone := filepath.Join(filepath.Dir(path), which)
				if err := os.Remove(gone); err != nil {
					t.Fatal(err)
				}
				if err := replace(gone); err != nil {
					t.Fatal(err)
				}
				if table, err := watcher.Look(); table != nil || err != nil {
					t.Errorf("at the first look: %v, %v, want neither table nor error", table, err)
				}
				if table, err := watcher.Look(); table != nil || err == nil {
					t.Errorf("at the second look: %v, %v, want an error", table, err)
				}
				if table, err := watcher.Look(); table != nil || err != nil {
					t.Errorf("it is told again: %v, %v", table, err)
				}
				if err := os.RemoveAll(gone); err != nil {
					t.Fatal(err)
				}
				overwrite(t, path, content)
				overwrite(t, keyPath, "second")
				for range 2 {
					if table, err := watcher.Look(); err != nil || table != nil && table.Tenants()[0].Intake.APIKey.Reveal() != "second" {
						t.Errorf("when it is back: %v, %v, want the second key", table, err)
					}
				}
			})
		}
	}
}

// TestReadDoesNotHang begins with what is no file.
func TestReadDoesNotHang(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir()} {
		if _, _, err := tenant.NewWatcher(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v, want %q in it", path, err, "not a regular file")
		}
	}
}
