package batch

import (
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// lookBytes is how much JSON may lie uncompressed when a batch's size is
// compared with the threshold. Deflate never adds more than a few bytes, so the
// comparison is off by no more than this.
const lookBytes = 32 << 10

// Assembler makes the batches of one upload, one after the other: add scopes;
// when the batch is full and another scope is there, seal it; at the end seal
// the last one. It is not safe for concurrent use.
type Assembler struct {
	header *Header
	policy Policy
	member *encode.Member
	// envelope is the least that a batch's envelope takes.
	envelope size
	scopes   int64 // in the open batch
	full     bool  // the open batch
}

// NewAssembler returns an assembler. The memory of its batches is drawn from
// account; nil: it is not counted.
func NewAssembler(h *Header, p Policy, pool *encode.Pool, account encode.Account) *Assembler {
	return &Assembler{header: h, policy: p, member: pool.NewMember(account), envelope: h.envelope(1, true)}
}

// Add appends a scope to the open batch.
func (a *Assembler) Add(scope transcode.Checked) {
	if a.scopes > 0 {
		_, _ = a.member.Write([]byte(","))
	}
	a.member.SetTail(scope.AppendTo(a.member.Tail(), a.member))
	a.scopes++
	compressed, raw := a.policy.thresholds()
	a.full = a.reached(compressed) || raw > 0 && a.RawBytes() >= raw
}

// Full tells whether the open batch has reached the threshold. Whether it is
// the final one is not decided by that: seal it when the next scope is there.
func (a *Assembler) Full() bool { return a.full }

// reached compares the batch with the threshold. Where the JSON that is not yet
// compressed makes the difference, and is more than lookBytes, it is compressed
// first.
func (a *Assembler) reached(threshold int) bool {
	tail := a.member.TailBytes()
	if tail >= lookBytes && a.CompressedBytes() < threshold && a.CompressedBytes()+tail >= threshold {
		a.member.Compress()
	}
	return a.CompressedBytes() >= threshold
}

// RawBytes returns how much JSON the open batch has, its envelope included.
func (a *Assembler) RawBytes() int64 { return a.envelope.raw + a.member.RawBytes() }

// CompressedBytes returns how long the open batch's file is as far as it is
// compressed, its envelope included.
func (a *Assembler) CompressedBytes() int { return a.envelope.compressed + a.member.CompressedBytes() }

// Empty tells whether the open batch has no scope, so that it can't be sealed.
func (a *Assembler) Empty() bool { return a.scopes == 0 }

// Seal ends the open batch, which must not be empty, and returns it. The next
// scope opens the next batch.
func (a *Assembler) Seal() *Sealed {
	s := &Sealed{Header: a.header, ScopeCount: a.scopes, Body: a.member.Finish()}
	a.scopes, a.full = 0, false
	return s
}

// Park moves what the open batch holds to store, where it is until the next
// scope or the end of the batch. It fails with the store's error; the batch is as
// good as before then.
func (a *Assembler) Park(store encode.Store) error { return a.member.Park(store) }

// Resume takes back from the store what the open batch needs, if it is parked, to
// go on: it must be called before Add and Seal. It fails with the store's error;
// the batch is still parked then, and Resume can be tried again.
func (a *Assembler) Resume() error { return a.member.Unpark() }

// Discard gives up the open batch and the memory that it holds.
func (a *Assembler) Discard() {
	a.member.Discard()
	a.scopes, a.full = 0, false
}
