package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/leak"
)

// workDir is where the producers were built, "" where they were not.
var workDir = os.Getenv("SCOPEGATE_INTEROP")

// skippedCode is the exit code where nothing failed but a language was skipped.
const skippedCode = 3

func TestMain(m *testing.M) {
	code := leak.Run(m)
	testbed.Forget()
	if workDir != "" {
		code = report(code)
	}
	os.Exit(code)
}

// report writes the table and returns the code to end with: what was skipped has
// not passed.
func report(code int) int {
	if err := os.WriteFile(filepath.Join(workDir, "table.md"), []byte(table.String()), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "write table:", err)
		code = max(code, 1)
	}
	for _, r := range table.rows {
		if r.skipped != "" && code == 0 {
			fmt.Fprintf(os.Stderr, "%s was skipped\n", r.name)
			code = skippedCode
		}
	}
	return code
}

// table is what make prints at the end.
var table results

type results struct{ rows []*row }

// row is one language's.
type row struct {
	name                   string
	skipped                string
	failed                 []string
	sent, arrived          int
	messages, batches      int
	rawBytes               int64
	rate, replayRate       float64
	heldBytes, growthBytes int64
}

func (t *results) add(name string) *row {
	r := &row{name: name}
	t.rows = append(t.rows, r)
	return r
}

// String is the table in Markdown.
func (t *results) String() string {
	var text strings.Builder
	text.WriteString("| language | scopes sent | as messages | arrived | batches | JSON | messages/s, walking | messages/s, replayed |" +
		" resident while held back | checks |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range t.rows {
		if r.skipped != "" {
			fmt.Fprintf(&text, "| %s | | | | | | | | | SKIPPED: %s |\n", r.name, r.skipped)
			continue
		}
		checks := "passed"
		if len(r.failed) > 0 {
			checks = "FAILED: " + strings.Join(r.failed, ", ")
		}
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d | %.1f MB | %.0f | %.0f | %.0f MB, %+.1f MB in %v | %s |\n",
			r.name, r.sent, r.messages, r.arrived, r.batches, float64(r.rawBytes)/1e6, r.rate, r.replayRate,
			float64(r.heldBytes)/1e6, float64(r.growthBytes)/1e6, holdTime, checks)
	}
	return text.String()
}
