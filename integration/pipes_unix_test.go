//go:build unix

package integration_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// TestFilesBecomePipes has pipes that nobody writes to take the place of the file of
// tenants, and of a tenant's key: what was there before counts, and the server stops
// when it is asked to.
func TestFilesBecomePipes(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tenants.yaml", "key"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newTenants(t)
			folder := filepath.Dir(file.path)
			if err := os.WriteFile(filepath.Join(folder, "key"), []byte(testbed.Canary), 0o600); err != nil {
				t.Fatal(err)
			}
			in := testbed.StartIntake(t, nil)
			token := file.add(t, "shop", `intake: {url: "`+in.URL()+`", api_key_file: key}`)
			bed := testbed.New(t, testbed.Options{Configure: file.configure()})
			path := filepath.Join(folder, name)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			bed.Server.AwaitLogged(t, "invalid tenants file")
			bed.Server.AwaitLogged(t, "a pipe, not a regular file")
			if err := once(t, as(t, bed, token), testbed.NewMetadata()); err != nil {
				t.Error(err)
			}
			bed.Stop(t)
		})
	}
}
