package transcode_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// Scopes in ascending order hold nothing. Those in another order hold notes of about their own
// length, however many messages they have and however deep these are.
func TestNotesBytes(t *testing.T) {
	t.Parallel()
	symbol := message(9, text(1, "index"), text(2, "map[string]int"), text(3, "local"), number(4, 123))
	large := cat(text(1, "package"), bytes.Repeat(message(10, text(1, "function"), bytes.Repeat(symbol, 20)), 2000))
	deep := text(1, "s")
	for range maxDepth - 1 {
		deep = cat(text(1, "s"), message(9, text(1, "n"), text(3, "local")), message(10, deep))
	}
	for name, wire := range map[string][]byte{"large": large, "deep": deep, "small": cat(text(1, "s"), number(4, 1), number(5, 2))} {
		want := transcoded(t, wire)
		checked, err := plan.Check(wire, maxDepth)
		if err != nil || checked.NotesBytes() != 0 {
			t.Fatalf("%s: %d bytes of notes, error %v; want none", name, checked.NotesBytes(), err)
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for _, tear := range []bool{false, true} {
			wire := transcodetest.Reorder(rng, scopeDescriptor, wire, tear)
			checked, err := plan.Check(wire, maxDepth)
			if err != nil {
				t.Fatalf("%s, torn %v: %v", name, tear, err)
			}
			if got, most := checked.NotesBytes(), 8<<10+4*len(wire); got == 0 || got > most {
				t.Errorf("%s, torn %v: %d bytes of notes on %d, want at most %d", name, tear, got, len(wire), most)
			}
			if got := new(transcodetest.Recorder).Append(checked, nil); !bytes.Equal(got, want) {
				t.Errorf("%s, torn %v: another result", name, tear)
			}
			checked.Release()
		}
	}
}

// If notes would be much longer than the scope, there are none.
func TestTooManyNotes(t *testing.T) {
	t.Parallel()
	const n = 20_000
	tiny := message(9, text(3, "x"), text(1, ""))
	tests := map[string]struct {
		wire []byte
		want string
	}{
		"messages": {
			cat(text(1, "s"), bytes.Repeat(tiny, n)),
			`"symbols":[` + strings.Repeat(`,{"name":"","type":null,"symbol_type":"x"}`, n)[1:] + "]",
		},
		"runs": {
			cat(message(8, bytes.Repeat(cat(text(4, "a"), text(5, "b")), n)), text(1, "s")),
			`"language_specifics":{"access_modifiers":[` + strings.Repeat(`,"a"`, n)[1:] +
				`],"annotations":[` + strings.Repeat(`,"b"`, n)[1:] + "]}",
		},
	}
	for name, test := range tests {
		checked, err := plan.Check(test.wire, maxDepth)
		if err != nil || checked.NotesBytes() != 0 {
			t.Fatalf("%s: %d bytes of notes, error %v; want none", name, checked.NotesBytes(), err)
		}
		want := `{"scope_type":"s","start_line":0,"end_line":0,` + test.want + "}"
		if got := new(transcodetest.Recorder).Append(checked, nil); string(got) != want {
			t.Errorf("%s: got %.200s, want %.200s", name, got, want)
		}
	}
}

// An error is the same in any order, and its path counts values as they lie.
func TestErrorInAnyOrder(t *testing.T) {
	t.Parallel()
	bad := message(9, text(3, "x"), text(1, "\xff"))
	good := message(9, text(3, "x"), text(1, "n"))
	_, err := plan.Check(cat(good, text(1, "s"), good, message(10, good, bad, text(1, "s"))), maxDepth)
	want := &transcode.Error{Fault: transcode.InvalidUTF8, Field: "scopes[0].symbols[1].name"}
	if err == nil || err.Error() != want.Error() {
		t.Errorf("got %v, want %v", err, want)
	}
}
