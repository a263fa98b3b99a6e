// Package leak fails tests that leave goroutines behind.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the tests. On a busy machine the
// half second of goleak is not enough.
const patience = time.Minute

// Verify runs a package's tests and exits. It is for TestMain.
func Verify(m *testing.M) { os.Exit(Run(m)) }

// Run runs a package's tests and returns the exit code. If the tests pass, it is 1 if
// goroutines that they started do not end.
func Run(m *testing.M) (code int) {
	if code := m.Run(); code != 0 {
		return code
	}
	for deadline := time.Now().Add(patience); ; {
		err := goleak.Find()
		if err == nil {
			return 0
		}
		if time.Now().After(deadline) {
			fmt.Fprintf(os.Stderr, "leaked goroutines: %v\n", err)
			return 1
		}
	}
}
