package batch

import (
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/gzip"

	"github.com/scopegate/scopegate/server/internal/encode"
)

// Limits are what a batch may not exceed. 0 or less: no limit.
type Limits struct {
	// CompressedBytes bounds the length of the gzip member.
	CompressedBytes int
	// RawBytes bounds the length of the envelope as JSON.
	RawBytes int64
}

// Split returns batches that together say what b says, each within the limits
// whatever its number. Where a batch ends between two root scopes, nothing else
// changes. A root scope that exceeds the limits by itself is divided between its
// children, and these if need be between theirs: each batch repeats the keys of
// the scopes around what it holds, except for their symbols, which come once. The
// batches are filled to about three quarters, so b may be split although it is
// within the limits.
//
// It fails with an [*UnsplittableError] where a scope can't be divided any more,
// and with [ErrMalformed] where b is not what an [Assembler] or Split has made.
//
// b stays as it is, and the caller's, as are the batches returned; their memory
// is drawn from the same account as b's. Beside these Split holds one more as
// large as the limit (where scopes are divided, up to one for each level), and
// never all of the JSON.
func (b *Batch) Split(pool *encode.Pool, limits Limits) ([]*Sealed, error) {
	s := splitter{
		limits: limits, max: limits.withoutEnvelope(b.Header),
		header: b.Header, member: pool.NewMember(b.File.Account()),
	}
	defer s.walk.close()
	defer s.member.Discard()
	done := false
	defer func() {
		if !done { // or in a panic
			for _, part := range s.sealed {
				part.Body.Release()
			}
		}
	}()
	if err := s.split(b); err != nil {
		return nil, fmt.Errorf("split batch %d: %w", b.Num, err)
	}
	done = true
	return s.sealed, nil
}

// withoutEnvelope returns what is left for the body of a batch, whatever its
// number. There is always a limit.
func (l Limits) withoutEnvelope(h *Header) Limits {
	envelope := h.envelope(math.MaxInt32, false)
	left := Limits{CompressedBytes: math.MaxInt, RawBytes: math.MaxInt64}
	if l.CompressedBytes > 0 {
		left.CompressedBytes = l.CompressedBytes - envelope.compressed
	}
	if l.RawBytes > 0 {
		left.RawBytes = l.RawBytes - envelope.raw
	}
	return left
}

// decompress returns a reader of a body's JSON, which ends with an error unless
// that has its sum.
func decompress(body *encode.Body) (io.Reader, error) {
	json, err := gzip.NewReader(body.File(nil, nil).NewReader())
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return json, nil
}

// settle compares the number of root scopes that end in the parts with that in
// the batch they come from: where the latter is itself a part, its last root may
// have gone on in the next one.
func (s *splitter) settle(want int64) error {
	var count int64
	for _, part := range s.sealed {
		count += part.ScopeCount
	}
	if count-1 == want {
		s.sealed[len(s.sealed)-1].ScopeCount--
		count--
	}
	if count != want {
		return malformed("%d scopes instead of %d", count, want)
	}
	return nil
}
