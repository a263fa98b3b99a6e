package transcode_test

import (
	"math/rand/v2"
	"testing"

	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// reuse is a sink that throws away what was written.
type reuse struct {
	buffer []byte
	marks  []uint64
}

func (r *reuse) Drain([]byte) []byte { return r.buffer[:0] }

func (r *reuse) Marks() []uint64 { return r.marks }

// A scope is checked and written without an allocation, the open map included, whatever the order
// of its fields.
//
//nolint:paralleltest // others' allocations would count
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	forms := map[string][]byte{}
	for _, name := range goldenNames(t) {
		forms[name] = marshaled(t, readScope(t, name))
		forms[name+", shuffled"] = transcodetest.Shuffle(rand.New(rand.NewPCG(1, 1)), scopeDescriptor, forms[name])
	}
	for name, wire := range forms {
		sink := &reuse{buffer: make([]byte, 0, 2*transcode.Room), marks: make([]uint64, 2*transcode.Room/64)}
		allocs := testing.AllocsPerRun(100, func() {
			checked, err := plan.Check(wire, maxDepth)
			if err != nil {
				t.Fatal(err)
			}
			checked.AppendTo(sink.buffer[:0], sink)
			checked.Release()
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations, want 0", name, allocs)
		}
	}
}
