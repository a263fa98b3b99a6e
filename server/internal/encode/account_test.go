package encode_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/encode"
)

func decodedFrom(b *encode.Body) ([]byte, error) {
	file, err := gzip.NewReader(b.File(nil, nil).NewReader())
	if err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

// accounted is some members, and what they have finished, with one account and
// one store.
type accounted struct {
	account  account
	store    *mapStore
	members  []*encode.Member
	inputs   [][]byte // of each member
	parked   []bool   // each member
	finished []*encode.Body
	want     [][]byte // what each of finished decodes to
}

func newAccounted(pools ...*encode.Pool) *accounted {
	a := &accounted{store: newStore(), inputs: make([][]byte, len(pools)), parked: make([]bool, len(pools))}
	for _, pool := range pools {
		a.members = append(a.members, pool.NewMember(&a.account))
	}
	return a
}

func (a *accounted) feed(i int, input []byte, inPlace bool) {
	a.inputs[i] = append(a.inputs[i], input...)
	if !inPlace {
		_, _ = a.members[i].Write(input)
		return
	}
	tail := a.members[i].Tail()
	for len(input) > 0 {
		if len(tail) == cap(tail) {
			tail = a.members[i].Drain(tail)
		}
		n := min(len(input), cap(tail)-len(tail))
		tail = append(tail, input[:n]...)
		input = input[n:]
	}
	a.members[i].SetTail(tail)
}

func (a *accounted) finish(i int) {
	if len(a.inputs[i]) == 0 {
		return
	}
	a.finished = append(a.finished, a.members[i].Finish())
	a.want = append(a.want, a.inputs[i])
	a.inputs[i] = nil
}

func (a *accounted) discard(i int) {
	a.members[i].Discard()
	a.inputs[i], a.parked[i] = nil, false
}

// park and unpark may fail.
func (a *accounted) park(i, room int) {
	a.store.room = room
	a.parked[i] = a.members[i].Park(a.store) == nil || a.parked[i]
}

func (a *accounted) unpark(i, reads int) {
	a.store.reads = reads
	a.parked[i] = a.members[i].Unpark() != nil
	a.store.reads = -1
}

func (a *accounted) spill(t *rapid.T, i, room int) {
	a.store.room = room
	before, stored := a.account.balance(), a.store.bytes()
	freed, _ := a.finished[i].Spill(a.store)
	moved := a.store.bytes() - stored
	if freed != moved || before-a.account.balance() != moved {
		t.Errorf("%d bytes freed, %d given back, %d moved, want freed %v and %v", freed, before-a.account.balance(), moved, moved, moved)
	}
}

func (a *accounted) release(t *rapid.T, i int) {
	if got, err := decodedFrom(a.finished[i]); err != nil || !bytes.Equal(got, a.want[i]) {
		t.Errorf("other bytes, error %v", err)
	}
	a.finished[i].Release()
	a.finished, a.want = slices.Delete(a.finished, i, i+1), slices.Delete(a.want, i, i+1)
}

func (a *accounted) check(t *rapid.T) {
	held, blocks := 0, 0
	for i, m := range a.members {
		held += m.HeldBytes()
		blocks += m.Blocks()
		if m.RawBytes() != int64(len(a.inputs[i])) {
			t.Errorf("%d raw bytes, want %d", m.RawBytes(), len(a.inputs[i]))
		}
		if a.parked[i] && m.HeldBytes() != 0 {
			t.Errorf("parked, it holds %d bytes, want none", m.HeldBytes())
		}
	}
	for _, s := range a.finished {
		held += s.HeldBytes()
		blocks += s.Blocks()
	}
	if a.account.balance() != held || a.account.negative {
		t.Fatalf("%d bytes are drawn, want the %d that are held, and never fewer than none: %v", a.account.balance(), held, !a.account.negative)
	}
	if a.store.count() != blocks {
		t.Fatalf("%d blocks are stored, %d are known, want %v", a.store.count(), blocks, blocks)
	}
	if encode.Shared(a.finished...) {
		t.Fatal("a segment is used twice")
	}
}

// Whatever is done, and fails, the account is told what is held, and the store
// has what is known to be there.
func TestAccount(t *testing.T) {
	t.Parallel()
	pools := []*encode.Pool{newPool(t, shapes(1)[1]), newPool(t, shapes(encode.Scope)[3])}
	rapid.Check(t, func(t *rapid.T) {
		a := newAccounted(pools...)
		member := rapid.IntRange(0, len(pools)-1)
		few := rapid.SampledFrom([]int{-1, 0, 1, 2, 3})
		resumed := func(t *rapid.T) int {
			i := member.Draw(t, "member")
			a.unpark(i, -1)
			return i
		}
		finished := func(t *rapid.T) int {
			if len(a.finished) == 0 {
				t.Skip("nothing is finished")
			}
			return rapid.IntRange(0, len(a.finished)-1).Draw(t, "finished")
		}
		t.Repeat(map[string]func(*rapid.T){
			"": a.check,
			"feed": func(t *rapid.T) {
				input := mixed(rapid.Uint64Range(0, 9).Draw(t, "seed"), rapid.IntRange(6, 90_000).Draw(t, "length"))
				a.feed(resumed(t), input, rapid.Bool().Draw(t, "in place"))
			},
			"compress":        func(t *rapid.T) { a.members[member.Draw(t, "member")].Compress() },
			"park":            func(t *rapid.T) { a.park(member.Draw(t, "member"), few.Draw(t, "room")) },
			"unpark":          func(t *rapid.T) { a.unpark(member.Draw(t, "member"), few.Draw(t, "reads")) },
			"finish":          func(t *rapid.T) { a.finish(resumed(t)) },
			"spill finished":  func(t *rapid.T) { a.spill(t, finished(t), few.Draw(t, "room")) },
			"release":         func(t *rapid.T) { a.release(t, finished(t)) },
			"take the buffer": func(t *rapid.T) { a.members[resumed(t)].Tail() },
			"discard":         func(t *rapid.T) { a.discard(member.Draw(t, "member")) },
		})
		for len(a.finished) > 0 {
			a.release(t, 0)
		}
		for i := range a.members {
			a.discard(i)
		}
		if a.check(t); a.account.balance() != 0 || a.store.count() != 0 {
			t.Errorf("%d bytes and %d blocks are left", a.account.balance(), a.store.count())
		}
	})
}
