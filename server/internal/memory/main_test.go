package memory_test

import (
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) { leak.Verify(m) }

// pass lets a test's own clock run on (testing/synctest).
func pass(d time.Duration) { <-time.After(d) }
