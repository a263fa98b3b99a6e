package batch

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// part is one of the batches that a batch is split into.
type part struct {
	// path holds the own keys of the scopes that were being divided when the part
	// began: it repeats them in front of what it holds.
	path [][]byte
	// prefixBytes is how much JSON that is. Behind it the part holds what was read
	// since it began, byte for byte.
	prefixBytes int64
	// pieces counts whole scopes and lists of symbols. A part without one can't be
	// ended.
	pieces int
	scopes int64 // root scopes that end in it
	begun  int   // scopes

	// What is known when the part is redone:

	// divided is how many scopes are to be divided, each the first child of the
	// one before.
	divided int
	// endBytes is the length of JSON at which the part is to end; 0: unknown.
	endBytes int64
}

// errOverflow tells that the open part exceeds the limits.
var errOverflow = errors.New("part is too large")

// begin begins the part p, or begins it again.
func (s *splitter) begin(p part) {
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

// next ends the open part and begins another one.
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
	s.begin(part{path: slices.Clone(s.path)})
	return nil
}

// copy writes JSON that was read to the open part.
func (s *splitter) copy(json []byte) error {
	_, _ = s.member.Write(json)
	if s.member.CompressedBytes() > s.max.CompressedBytes || s.member.RawBytes() > s.max.RawBytes {
		return errOverflow
	}
	return nil
}

// full tells whether the open part is so large that it had better end in front
// of the next scope, which may not fit.
func (s *splitter) full() bool {
	return s.member.CompressedBytes() >= s.max.CompressedBytes/4*3 || s.member.RawBytes() >= s.max.RawBytes/4*3
}

// fits tells whether the open part is within the limits if it ends here.
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

// sealedBytes is at least what a member grows by when so much JSON is
// compressed. It is generous: deflate adds no more than 5 bytes for each 65,535
// that it can't compress, and as many for the byte border.
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

// redo begins the open part again, because it exceeds the limits with the scope
// in front of which it had borderBytes of JSON: it shall end there, or, if it
// holds nothing but that scope, divide it.
func (s *splitter) redo(borderBytes int64) error {
	again := s.part
	switch {
	case again.pieces == 0:
		again.divided++
	case again.endBytes == 0:
		again.endBytes = borderBytes
	default:
		return fmt.Errorf("redo part: %w", errOverflow) // it did fit the first time
	}
	tooLarge := s.member.Finish()
	json, err := decompress(tooLarge)
	if err == nil {
		_, err = io.CopyN(io.Discard, json, again.prefixBytes)
	}
	if err != nil {
		tooLarge.Release()
		return fmt.Errorf("redo part: %w", err)
	}
	s.walk.pushBack(json, tooLarge.Release)
	s.path = slices.Clone(again.path)
	s.begin(again)
	return nil
}
