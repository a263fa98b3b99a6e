package server

import (
	"testing"

	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// Tracing that is off installs nothing that gRPC would call for each message, and
// allocates nothing for a batch.
//
//nolint:paralleltest // allocations are counted in the whole process
func TestTracingOffCostsNothing(t *testing.T) {
	off := newTracing(nil)
	if _, empty := off.serverOption().(grpc.EmptyServerOption); !empty {
		t.Error("there is a stats handler")
	}
	b := &batch.Batch{Num: 1}
	if n := testing.AllocsPerRun(100, func() {
		_, end := off.batch(t.Context(), b)
		end(nil)
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
