package integration_test

import (
	"testing"

	"github.com/scopegate/scopegate/integration/tinydisk"
	"github.com/scopegate/scopegate/server"
)

// TestLittleMemoryAndDiskFull: all uploads complete though the disk of the spool has
// no room.
func TestLittleMemoryAndDiskFull(t *testing.T) {
	t.Parallel()
	tinydisk.Run(t, 64<<10, func(t *testing.T, dir string) {
		t.Helper()
		manyUploads(t, count(30, 100), func(cfg *server.Config) { cfg.Limits.SpoolDir = dir })
	})
}
