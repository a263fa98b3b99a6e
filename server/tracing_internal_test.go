package server

import (
	"strings"
	"testing"
	"unicode/utf8"

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

func TestClip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", clipBytes)
	for text, want := range map[string]string{"": "", "shop": "shop", long: strings.Repeat("ä", clipBytes/2) + "…"} {
		if got := clip(text); got != want || !utf8.ValidString(got) {
			t.Errorf("%q is %q", text, got)
		}
	}
	if got := clip("a" + long); !utf8.ValidString(got) || len(got) > clipBytes+len("…") {
		t.Errorf("cut within a rune: %q", got)
	}
}
