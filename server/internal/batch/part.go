package batch

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// part is one of the batches that a batch is split into.
type part struct {
	// path has the own keys of the scopes that were being divided when the part began. The
	// part starts with them.
	path [][]byte
	// prefixBytes is their length. The rest of the part is a copy of the input.
	prefixBytes int64
	// pieces counts whole scopes and lists of symbols. A part must have one.
	pieces int
	scopes int64 // root scopes that end in it
	begun  int   // scopes

	// Set when the part is redone:

	// divided is how many scopes to divide, each the first child of the one before.
	divided int
	// endBytes is the length of JSON at which to end the part; 0 if unknown.
	endBytes int64
}

// errOverflow means that the open part exceeds the limits.
var errOverflow = errors.New("part is too large")

// open opens the part p, or opens it again.
func (s *splitter) open(p part) {
	p.pieces, p.scopes, p.begun = 0, 0, 0
	s.separator = ""
	for _, own := range p.path {
		_, _ = s.member.Write(own)
		s.write(openScopes)
	}
	p.prefixBytes = s.member.RawBytes()
	s.part = p
}

func (s *splitter) write(json string) { _, _ = s.member.Write([]byte(json)) }

// next seals the open part and opens another.
func (s *splitter) next() error {
	for i := range s.path {
		if i > 0 || s.separator == "," {
			s.write("]")
		}
		s.write("}")
	}
	if err := s.seal(); err != nil {
		return err
	}
	s.open(part{path: slices.Clone(s.path)})
	return nil
}

// copy writes JSON to the open part.
func (s *splitter) copy(json []byte) error {
	_, _ = s.member.Write(json)
	if s.member.CompressedBytes() > s.max.CompressedBytes || s.member.RawBytes() > s.max.RawBytes {
		return errOverflow
	}
	return nil
}

// full reports whether the open part should end before the next scope, which may not fit.
func (s *splitter) full() bool {
	return s.member.CompressedBytes() >= s.max.CompressedBytes/4*3 || s.member.RawBytes() >= s.max.RawBytes/4*3
}

// fits reports whether the open part is within the limits if it ends here.
func (s *splitter) fits() bool {
	closing := len("]}") * len(s.path)
	if s.member.RawBytes() > s.max.RawBytes-int64(closing) {
		return false
	}
	within := func() bool {
		return s.member.CompressedBytes() <= s.max.CompressedBytes-sealedBytes(s.member.TailBytes()+closing)
	}
	if !within() {
		s.member.Compress()
	}
	return within()
}

// sealedBytes returns an upper bound of the compressed length of JSON. Deflate adds at most
// 5 bytes per 65,535 that it can't compress, and 5 for the byte boundary.
func sealedBytes(rawBytes int) int { return rawBytes + rawBytes/1024 + 64 }

// seal ends the open part, whose scopes are all closed.
func (s *splitter) seal() error {
	body := s.member.Finish()
	s.sealed = append(s.sealed, &Sealed{Header: s.header, ScopeCount: s.part.scopes, Body: body})
	if body.Len() > s.max.CompressedBytes || body.RawBytes() > s.max.RawBytes {
		return fmt.Errorf("seal part: %w", errOverflow)
	}
	return nil
}

// redo writes the open part again, because the scope that started at borderBytes made it too
// large. It will end before that scope, or divide it if it is the first.
func (s *splitter) redo(borderBytes int64) error {
	p := s.part
	switch {
	case p.pieces == 0:
		p.divided++
	case p.endBytes == 0:
		p.endBytes = borderBytes
	default:
		return fmt.Errorf("redo part: %w", errOverflow) // it fitted the first time
	}
	tooLarge := s.member.Finish()
	json, err := decompress(tooLarge)
	if err == nil {
		_, err = io.CopyN(io.Discard, json, p.prefixBytes)
	}
	if err != nil {
		tooLarge.Release()
		return fmt.Errorf("redo part: %w", err)
	}
	s.walk.pushBack(json, tooLarge.Release)
	s.path = slices.Clone(p.path)
	s.open(p)
	return nil
}
