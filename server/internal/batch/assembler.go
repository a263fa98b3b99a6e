package batch

import (
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// uncompressedBytes is how much JSON may be uncompressed when the size of a batch is
// compared with the threshold. Deflate adds only a few bytes, so this bounds the error.
const uncompressedBytes = 32 << 10

// Assembler makes the batches of one upload, one after the other: add scopes, seal the batch
// when it is full and there is another scope, and seal the last one at the end. It is not
// safe for concurrent use.
type Assembler struct {
	header   *Header
	policy   Policy
	member   *encode.Member
	envelope size // at least
	scopes   int64
	full     bool
}

// NewAssembler returns an assembler. It draws the memory of its batches from account, which
// may be nil.
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

// Full reports whether the open batch has reached the threshold. It may still be the final
// one, so only seal it when there is another scope.
func (a *Assembler) Full() bool { return a.full }

// reached reports whether the batch has reached the threshold. It compresses the tail first
// if that decides and is longer than uncompressedBytes.
func (a *Assembler) reached(threshold int) bool {
	tail := a.member.TailBytes()
	if tail >= uncompressedBytes && a.CompressedBytes() < threshold && a.CompressedBytes()+tail >= threshold {
		a.member.Compress()
	}
	return a.CompressedBytes() >= threshold
}

// RawBytes returns the length of the open batch as JSON, including its envelope.
func (a *Assembler) RawBytes() int64 { return a.envelope.raw + a.member.RawBytes() }

// CompressedBytes returns the length of the open batch's file so far, including its
// envelope.
func (a *Assembler) CompressedBytes() int { return a.envelope.compressed + a.member.CompressedBytes() }

// Empty reports whether the open batch has no scope, so that it can't be sealed.
func (a *Assembler) Empty() bool { return a.scopes == 0 }

// Seal returns the open batch, which must not be empty, and opens the next.
func (a *Assembler) Seal() *Sealed {
	s := &Sealed{Header: a.header, ScopeCount: a.scopes, Body: a.member.Finish()}
	a.scopes, a.full = 0, false
	return s
}

// Park moves the open batch to store. Call Resume before Add and Seal. If the store fails,
// the batch stays as it was.
func (a *Assembler) Park(store encode.Store) error { return a.member.Park(store) }

// Pack makes the open batch take less memory while no scope is added. Call Resume before Add
// and Seal.
func (a *Assembler) Pack() { a.member.Pack() }

// Resume undoes Pack and Park. If the store fails, the batch stays parked and Resume can be
// tried again.
func (a *Assembler) Resume() error {
	a.member.Unpack()
	return a.member.Unpark()
}

// Discard drops the open batch and frees its memory.
func (a *Assembler) Discard() {
	a.member.Discard()
	a.scopes, a.full = 0, false
}

// Policy says when a batch is full: when it reaches either threshold.
type Policy struct {
	// FlushThresholdBytes is a compressed size. A batch exceeds it by at most 32 KiB and the
	// scope that crossed it. If it is not positive, every scope is a batch.
	FlushThresholdBytes int
	// FlushThresholdRawBytes is a length of JSON. A batch exceeds it by the scope that
	// crossed it, and the digits of its number. If it is not positive, there is none.
	FlushThresholdRawBytes int64
	// Learned lowers both thresholds. It may be nil.
	Learned *LearnedLimit
}

// thresholds returns the current thresholds. raw is 0 if there is none.
func (p *Policy) thresholds() (compressed int, raw int64) {
	compressed, raw = p.FlushThresholdBytes, max(0, p.FlushThresholdRawBytes)
	if p.Learned == nil {
		return compressed, raw
	}
	learned := p.Learned.Thresholds()
	if learned.CompressedBytes > 0 {
		compressed = min(compressed, learned.CompressedBytes)
	}
	if learned.RawBytes > 0 && (raw == 0 || learned.RawBytes < raw) {
		raw = learned.RawBytes
	}
	return compressed, raw
}
