package batch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/text"
)

// Limits limit a batch. A limit that is not positive means none.
type Limits struct {
	// CompressedBytes limits the length of the gzip member.
	CompressedBytes int
	// RawBytes limits the length of the envelope as JSON.
	RawBytes int64
}

// Split returns batches with the scopes of b, each within the limits whatever its number.
// Most end between two root scopes. A root scope over the limits is divided between its
// children, and those between theirs if needed: each batch repeats the keys of the scopes
// around its content, except for their symbols, which come once. Batches are filled to
// about three quarters, so b may be split although it is within the limits.
//
// It fails with an [*UnsplittableError] if a scope can't be divided further, and with
// [ErrMalformed] if neither an [Assembler] nor Split has made b.
//
// The caller keeps b and must release the batches returned, whose memory is drawn from b's
// account. Split holds one more batch of the limits' size (if scopes are divided, up to one
// per level), but never all of the JSON.
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

// withoutEnvelope returns the limits of the body of a batch, whatever its number. Both are
// set.
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

// decompress returns a reader of a body's JSON. It verifies the checksum.
func decompress(body *encode.Body) (io.Reader, error) {
	json, err := gzip.NewReader(body.File(nil, nil).NewReader())
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return json, nil
}

// checkCount compares the number of root scopes that end in the parts with that of the
// batch. If the batch is itself a part, its last root may continue in the next one.
func (s *splitter) checkCount(want int64) error {
	count := s.sealedScopes()
	if count-1 == want {
		s.sealed[len(s.sealed)-1].ScopeCount--
		count--
	}
	if count != want {
		return malformed("%d scopes instead of %d", count, want)
	}
	return nil
}

// sealedScopes returns the number of root scopes that end in the sealed parts.
func (s *splitter) sealedScopes() (count int64) {
	for _, part := range s.sealed {
		count += part.ScopeCount
	}
	return count
}

// UnsplittableError means that a scope is too large for a batch and can't be divided: it has
// no children, or is too large without them.
type UnsplittableError struct {
	// Index counts the root scopes of the batch before the one that is too large.
	Index int64
	// Path leads from the root scope to the one that is too large.
	Path []ScopeName
	// Limits are the limits that it exceeds.
	Limits Limits
}

// ScopeName identifies a scope among its siblings.
type ScopeName struct {
	ScopeType, Name string // Name may be empty
}

func (e *UnsplittableError) Error() string {
	var all strings.Builder
	all.WriteString("scope")
	for i, scope := range e.Path {
		if i > 0 {
			all.WriteString(" >")
		}
		fmt.Fprintf(&all, " %s %q", scope.ScopeType, scope.Name)
	}
	all.WriteString(": can't be split to fit")
	if e.Limits.CompressedBytes > 0 {
		fmt.Fprintf(&all, " into %d bytes compressed", e.Limits.CompressedBytes)
	}
	if e.Limits.RawBytes > 0 {
		fmt.Fprintf(&all, " into %d bytes of JSON", e.Limits.RawBytes)
	}
	return all.String()
}

// scopeName returns the name in a scope's own keys, which may be truncated.
func scopeName(own []byte) (name ScopeName) {
	tokens := json.NewDecoder(bytes.NewReader(own))
	for i := range 5 { // {, key, value, key, value
		token, err := tokens.Token()
		if err != nil {
			break
		}
		found, _ := token.(string)
		switch {
		case i == 2:
			name.ScopeType = text.Clip(found)
		case i == 3 && found != "name":
			return name
		case i == 4:
			name.Name = text.Clip(found)
		}
	}
	return name
}
