package grpcwire_test

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzObserver has the two ends send anything behind the preface, in turn and in
// pieces. What is drawn must follow from the bytes, not from the pieces; it is
// never negative, and nothing at the end.
func FuzzObserver(f *testing.F) {
	whole := message(2000)
	f.Add(bytes.Join([][]byte{headers(f, 1, false), data(f, 1, false, whole[:10]), data(f, 1, false, whole[10:])}, nil), headers(f, 1, true), uint8(1))
	f.Add(bytes.Join([][]byte{headers(f, 1, false), data(f, 1, false, whole[:10]), reset(f, 1)}, nil), reset(f, 1), uint8(3))
	f.Add(bytes.Join([][]byte{data(f, 3, true, whole), headers(f, 3, false), headers(f, 3, true), data(f, 3, false, whole[:3])}, nil), reset(f, 3), uint8(0))
	f.Add(bytes.Join([][]byte{headers(f, 1, false), data(f, 1, false, message(900)), data(f, 1, true, message(300))}, nil), widen(f, 1, 500), uint8(2))
	f.Fuzz(func(t *testing.T, client, server []byte, piece uint8) {
		limits := limits
		limits.Streams, limits.SmallFrames, limits.UpdateBytes = 1, 4, 100
		inPieces := func(piece int) (drawn int, refused error) {
			o := greeted(t, limits)
			o.script.pieces = func(int) int { return piece }
			refused = o.tryReceive(t, client)
			for rest := server; len(rest) > 0; {
				n := min(piece, len(rest))
				o.send(t, rest[:n])
				rest = rest[n:]
			}
			again := o.tryReceive(t, client)
			if refused == nil {
				refused = again
			}
			drawn = o.purse.drawnBytes()
			o.end(t)
			if len(o.refused) > 1 || (len(o.refused) == 1) != (refused != nil) {
				t.Fatalf("told of %v, and returned %v, want it told once", o.refused, refused)
			}
			return drawn, refused
		}
		one, refusedOne := inPieces(1 << 20)
		other, refusedOther := inPieces(int(piece) + 1)
		if one != other || !same(refusedOne, refusedOther) {
			t.Fatalf("%d bytes are drawn, %v; in pieces of %d: %d, %v", one, refusedOne, int(piece)+1, other, refusedOther)
		}
	})
}

// same tells whether both are nil, or say the same.
func same(a, b error) bool {
	if a == nil || b == nil {
		return errors.Is(a, b)
	}
	return a.Error() == b.Error()
}
