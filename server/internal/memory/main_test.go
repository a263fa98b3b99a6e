package memory_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pass lets a test's own clock run on (testing/synctest).
func pass(d time.Duration) { <-time.After(d) }
