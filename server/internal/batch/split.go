package batch

import (
	"fmt"
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

// Split returns batches that together say what b says, each within the limits,
// numbered from firstNum without a hole; if b is final the last one is. Where a
// batch ends between two root scopes, nothing else changes. A root scope that
// exceeds the limits by itself is divided between its children, and these if
// need be between theirs: each batch repeats the keys of the scopes around what
// it holds, except for their symbols, which come once. The batches are filled
// to about three quarters, so b may be split although it is within the limits.
//
// It fails with an [*UnsplittableError] where a scope can't be divided any more,
// and with [ErrMalformed] where b is not what an [Assembler] or Split has made.
//
// b stays as it is, and the caller's, as are the batches returned; their memory
// is drawn from the same account as b's. Beside these Split holds one more as
// large as the limit (where scopes are divided, up to one for each level), and
// never all of the JSON.
func (b *Batch) Split(pool *encode.Pool, firstNum int32, limits Limits) ([]*Batch, error) {
	batches, err := b.remake(pool, firstNum, b.Final, limits)
	if err != nil {
		return nil, fmt.Errorf("split batch %d: %w", b.Num, err)
	}
	return batches, nil
}

// Renumber returns a batch with the scopes of b and another number, which b's
// own was taken from by a split. It fails with [ErrMalformed] as Split does. b
// stays as it is.
func (b *Batch) Renumber(pool *encode.Pool, num int32, final bool) (*Batch, error) {
	batches, err := b.remake(pool, num, final, Limits{})
	if err != nil {
		return nil, fmt.Errorf("renumber batch %d: %w", b.Num, err)
	}
	return batches[0], nil
}

func (b *Batch) remake(pool *encode.Pool, firstNum int32, final bool, limits Limits) ([]*Batch, error) {
	json, err := gzip.NewReader(b.File.NewReader())
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	s := splitter{
		walk: newWalker(json), limits: limits, max: limits,
		header: b.Header, opening: b.Header.appendOpening(nil), member: pool.NewMember(b.File.Account()),
	}
	if limits.CompressedBytes <= 0 {
		s.max.CompressedBytes = math.MaxInt
	}
	if limits.RawBytes <= 0 {
		s.max.RawBytes = math.MaxInt64
	}
	defer s.walk.close()
	defer s.member.Discard()
	done := false
	defer func() {
		if !done { // or in a panic
			for _, part := range s.sealed {
				part.File.Release()
			}
		}
	}()
	if err := s.split(b, firstNum, final); err != nil {
		return nil, err
	}
	done = true
	return s.sealed, nil
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
