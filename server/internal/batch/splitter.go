package batch

import (
	"errors"

	"github.com/scopegate/scopegate/server/internal/encode"
)

const openScopes = `,"scopes":[`

// maxPathBytes bounds the own keys of the scopes that are divided, from the root
// down to the innermost: they are held, and repeated in each part.
const maxPathBytes = 256 << 10

// splitter goes through a batch once, and writes what it reads to the part that
// is open. Where a scope turns out to be too large for it, what the part was
// made of is read again, out of the part itself.
type splitter struct {
	walk   walker
	limits Limits
	max    Limits // of a body
	// path holds the own keys of the scopes that are being divided and whose end
	// is not yet read, from the root on.
	path [][]byte
	// between tells that a scope has ended, and no comma has followed.
	between bool
	// separator was read in front of the next scope, and goes with it: it is left
	// out where that begins a part.
	separator string

	header *Header
	member *encode.Member
	part   part // the open one
	sealed []*Sealed
}

func (s *splitter) split(b *Batch) error {
	json, err := decompress(b.File.Body)
	if err != nil {
		return err
	}
	s.walk = newWalker(json)
	s.begin(part{})
	if err := s.scopes(); err != nil {
		return err
	}
	if err := s.seal(); err != nil {
		return err
	}
	return s.settle(b.ScopeCount)
}

// scopes goes through the root scopes.
func (s *splitter) scopes() error {
	for {
		if s.between && len(s.path) == 0 && s.walk.ended() {
			return nil
		}
		c, err := s.walk.need()
		if err != nil {
			return err
		}
		switch {
		case c == '{' && !s.between:
			err = s.scope()
		case c == ',' && s.between:
			err = s.walk.expect(",")
			s.separator, s.between = ",", false
		case c == ']' && s.between && len(s.path) > 0:
			err = s.walk.expect("]}")
			s.write("]}")
			s.path = s.path[:len(s.path)-1]
			s.ended()
		default:
			err = malformed("%q stands in a list of scopes", c)
		}
		if err != nil {
			return err
		}
	}
}

// ended notes the end of a scope.
func (s *splitter) ended() {
	s.between = true
	if len(s.path) == 0 {
		s.part.scopes++
	}
}

// scope takes the next scope: as a whole, or up to its first child where it is
// known to be too large. If the part does not hold it, the part is redone.
func (s *splitter) scope() error {
	border := s.member.RawBytes()
	if s.part.pieces > 0 && (s.full() || border == s.part.endBytes) {
		if err := s.next(); err != nil {
			return err
		}
		border = s.member.RawBytes()
	}
	if s.part.begun++; s.part.begun <= s.part.divided {
		return s.divide()
	}
	s.write(s.separator)
	s.separator = ""
	err := s.walk.value(s.copy)
	if err == nil && !s.fits() {
		err = errOverflow
	}
	if errors.Is(err, errOverflow) {
		return s.redo(border)
	}
	s.part.pieces++
	s.ended()
	return err
}

// divide takes a scope up to its first child. The part holds nothing else yet
// than the keys of the scopes around it, so what does not fit never will.
func (s *splitter) divide() error {
	room := maxPathBytes
	for _, own := range s.path {
		room -= len(own)
	}
	own, next, err := s.walk.ownKeys(room)
	s.path = append(s.path, own)
	if errors.Is(err, errTooLong) {
		return s.unsplittable()
	}
	if err != nil {
		return err
	}
	s.write(s.separator)
	s.write(string(own))
	if next == symbolsKey {
		s.write("," + symbolsKey + ":")
		if err := s.walk.value(s.copy); errors.Is(err, errOverflow) {
			return s.unsplittable()
		} else if err != nil {
			return err
		}
		s.part.pieces++
	}
	if !s.fits() {
		return s.unsplittable()
	}
	if next == symbolsKey {
		if c, err := s.walk.need(); err != nil {
			return err
		} else if c == '}' {
			return s.unsplittable()
		}
		if err := s.walk.expect("," + scopesKey + ":"); err != nil {
			return err
		}
		next = scopesKey
	}
	if next != scopesKey {
		return s.unsplittable()
	}
	s.separator = openScopes
	return s.walk.expect("[")
}

func (s *splitter) unsplittable() error {
	err := &UnsplittableError{Limits: s.limits}
	for _, own := range s.path {
		err.Path = append(err.Path, scopeName(own))
	}
	return err
}
