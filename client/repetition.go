package client

import (
	"errors"
	"hash/maphash"
	"math/bits"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// ErrSequenceChanged is returned by [Client.UploadScopes] where the sequence,
// ranged over again, did not yield the same: it can be ranged over only once (see
// [WithoutResume]), or comes in another order each time, as that of a map does.
// The upload has no final batch then. The error also wraps the failure for which
// the sequence was needed again. Not every such sequence is found out.
var ErrSequenceChanged = errors.New("the sequence did not yield the same scopes again")

// repetition compares what a sequence yields from pass to pass. Of the first
// 1, 2, 4, 8 … messages it keeps a sum each, so that it stays small however long
// the sequence is.
type repetition struct {
	sums          []uint64
	furthestCount int64
	ended         bool
	seed          maphash.Seed
}

func newRepetition() repetition { return repetition{seed: maphash.MakeSeed()} }

// pass begins a pass from the sequence's beginning.
func (r *repetition) pass() *pass {
	p := &pass{of: r}
	p.sum.SetSeed(r.seed)
	return p
}

type pass struct {
	of    *repetition
	sum   maphash.Hash
	count int64
}

// add takes the next message, and tells whether it may be what came before.
func (p *pass) add(message *symdbv1.Scope) bool {
	p.sum.WriteString(message.GetScopeType())
	p.sum.WriteString(message.GetName())
	maphash.WriteComparable(&p.sum, [...]int{
		len(message.GetName()), len(message.GetSymbols()), len(message.GetScopes()), int(message.GetEndLine()),
	})
	p.count++
	if p.count > p.of.furthestCount {
		if p.of.ended {
			return false
		}
		p.of.furthestCount = p.count
	}
	if bits.OnesCount64(uint64(p.count)) != 1 {
		return true
	}
	if i := bits.TrailingZeros64(uint64(p.count)); i < len(p.of.sums) {
		return p.of.sums[i] == p.sum.Sum64()
	}
	p.of.sums = append(p.of.sums, p.sum.Sum64())
	return true
}

// end tells whether the sequence may end here.
func (p *pass) end() bool {
	p.of.ended = true
	return p.count == p.of.furthestCount
}
