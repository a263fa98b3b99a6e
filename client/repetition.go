package client

import (
	"errors"
	"hash/maphash"
	"math/bits"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ErrSequenceChanged is returned by [Client.Upload] if the sequence yields other scopes
// when it is ranged over again: it can be ranged over only once (see [WithoutResume]), or
// its order varies, like a map's. The upload then has no final batch. The error also wraps
// the failure after which the sequence was ranged over again. Not every change is detected.
var ErrSequenceChanged = errors.New("the sequence did not yield the same scopes again")

// repetition checks that each pass over a sequence yields the same messages. It keeps
// sums of the first 1, 2, 4, 8, … messages, so that it is small for any sequence.
type repetition struct {
	sums          []uint64
	furthestCount int64
	ended         bool
	seed          maphash.Seed
}

func newRepetition() repetition { return repetition{seed: maphash.MakeSeed()} }

// pass begins a pass over the sequence.
func (r *repetition) pass() *pass {
	p := &pass{repetition: r}
	p.sum.SetSeed(r.seed)
	return p
}

type pass struct {
	repetition *repetition
	sum        maphash.Hash
	count      int64
}

// add adds the next message, and reports whether it may equal the one of earlier passes.
func (p *pass) add(message *symdbv1.Scope) bool {
	p.sum.WriteString(message.GetScopeType())
	p.sum.WriteString(message.GetName())
	maphash.WriteComparable(&p.sum, [...]int{
		len(message.GetName()), len(message.GetSymbols()), len(message.GetScopes()), int(message.GetEndLine()),
	})
	p.count++
	r := p.repetition
	if p.count > r.furthestCount {
		if r.ended {
			return false
		}
		r.furthestCount = p.count
	}
	if bits.OnesCount64(uint64(p.count)) != 1 {
		return true
	}
	if i := bits.TrailingZeros64(uint64(p.count)); i < len(r.sums) {
		return r.sums[i] == p.sum.Sum64()
	}
	r.sums = append(r.sums, p.sum.Sum64())
	return true
}

// end ends the pass, and reports whether earlier passes ended here too.
func (p *pass) end() bool {
	p.repetition.ended = true
	return p.count == p.repetition.furthestCount
}
