package encode_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// account adds up what is drawn from it.
type account struct {
	mu       sync.Mutex
	bytes    int
	negative bool
}

func (a *account) Draw(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += bytes
	a.negative = a.negative || a.bytes < 0
}

func (a *account) balance() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes
}

// accounted is some members, and what they have finished, with one account and
// one store.
type accounted struct {
	account  account
	store    *mapStore
	members  []*encode.Member
	inputs   [][]byte // of each member
	finished []*encode.Segments
	want     [][]byte // what each of finished decodes to
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

func (a *accounted) release(t *rapid.T, i int) {
	file, err := gzip.NewReader(a.finished[i].NewReader())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(file); err != nil || !bytes.Equal(got, a.want[i]) {
		t.Errorf("other bytes, error %v", err)
	}
	a.finished[i].Release()
	a.finished, a.want = slices.Delete(a.finished, i, i+1), slices.Delete(a.want, i, i+1)
}

func (a *accounted) check(t *rapid.T) {
	held := 0
	for _, m := range a.members {
		held += m.HeldBytes()
	}
	for _, s := range a.finished {
		held += s.HeldBytes()
	}
	if a.account.balance() != held || a.account.negative {
		t.Fatalf("%d bytes are drawn, %d are held; negative: %v", a.account.balance(), held, a.account.negative)
	}
	if encode.Shared(a.finished...) {
		t.Fatal("a segment is used twice")
	}
}

// Whatever is done, the account is told what is held.
func TestAccount(t *testing.T) {
	t.Parallel()
	pools := []*encode.Pool{newPool(t, shapes(1)[1]), newPool(t, shapes(1)[3])}
	rapid.Check(t, func(t *rapid.T) {
		a := &accounted{store: newStore(), inputs: make([][]byte, len(pools))}
		for _, pool := range pools {
			a.members = append(a.members, pool.NewMember(&a.account))
		}
		anyMember := rapid.IntRange(0, len(pools)-1)
		spill := func(t *rapid.T, spill func(encode.Store) (int, error)) {
			a.store.room = rapid.SampledFrom([]int{-1, 0, 1, 2}).Draw(t, "room")
			before, blocks := a.account.balance(), a.store.count()
			freed, _ := spill(a.store)
			moved := (a.store.count() - blocks) * encode.SegmentBytes
			if freed != moved || before-a.account.balance() != moved {
				t.Errorf("%d bytes freed, %d given back, %d moved", freed, before-a.account.balance(), moved)
			}
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
				a.feed(anyMember.Draw(t, "member"), input, rapid.Bool().Draw(t, "in place"))
			},
			"compress":        func(t *rapid.T) { a.members[anyMember.Draw(t, "member")].Compress() },
			"spill open":      func(t *rapid.T) { spill(t, a.members[anyMember.Draw(t, "member")].Spill) },
			"finish":          func(t *rapid.T) { a.finish(anyMember.Draw(t, "member")) },
			"spill finished":  func(t *rapid.T) { spill(t, a.finished[finished(t)].Spill) },
			"release":         func(t *rapid.T) { a.release(t, finished(t)) },
			"take the buffer": func(t *rapid.T) { a.members[anyMember.Draw(t, "member")].Tail() },
			"discard": func(t *rapid.T) {
				i := anyMember.Draw(t, "member")
				a.members[i].Discard()
				a.inputs[i] = nil
			},
		})
		for len(a.finished) > 0 {
			a.release(t, 0)
		}
		for _, m := range a.members {
			m.Discard()
		}
		if a.check(t); a.account.balance() != 0 || a.store.count() != 0 {
			t.Errorf("%d bytes and %d blocks are left", a.account.balance(), a.store.count())
		}
	})
}
