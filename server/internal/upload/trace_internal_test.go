package upload

import (
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Tracing that is off allocates nothing for a batch.
//
//nolint:paralleltest // allocations are counted in the whole process
func TestTracingOffCostsNothing(t *testing.T) {
	var off Tracer
	b := &batch.Batch{Num: 1}
	if n := testing.AllocsPerRun(100, func() {
		_, end := off.batch(t.Context(), b)
		end(nil)
	}); n != 0 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}
