package memory_test

import (
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// pass advances the fake clock of testing/synctest.
func pass(d time.Duration) { <-time.After(d) }
