package batch

import (
	"errors"

	"github.com/scopegate/scopegate/server/internal/encode"
)

const openScopes = `,"scopes":[`

// maxPathBytes limits the own keys of all scopes that are being divided. They are held in
// memory and repeated in each part.
const maxPathBytes = 256 << 10

// splitter reads a batch once and copies it to the open part. If a scope turns out to be too
// large for the part, the part itself is read again.
type splitter struct {
	walk   walker
	limits Limits
	max    Limits // of a body
	// path has the own keys of the scopes that are being divided, from the root.
	path [][]byte
	// between is set after the end of a scope, until a comma.
	between bool
	// separator precedes the next scope. It is omitted at the start of a part.
	separator string

	header *Header
	member *encode.Member
	part   part // that is open
	sealed []*Sealed
}

func (s *splitter) split(b *Batch) error {
	json, err := decompress(b.File.Body)
	if err != nil {
		return err
	}
	s.walk = newWalker(json)
	s.open(part{})
	if err := s.scopes(); err != nil {
		return err
	}
	if err := s.seal(); err != nil {
		return err
	}
	return s.checkCount(b.ScopeCount)
}

// scopes reads all scopes.
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
			s.endScope()
		default:
			err = malformed("unexpected %q in a list of scopes", c)
		}
		if err != nil {
			return err
		}
	}
}

func (s *splitter) endScope() {
	s.between = true
	if len(s.path) == 0 {
		s.part.scopes++
	}
}

// scope reads the next scope: all of it, or up to its first child if it is to be divided. If
// it does not fit, the part is redone.
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
	s.endScope()
	return err
}

// divide reads a scope up to its first child. The part only has the keys of the scopes
// around it, so if this does not fit, it never will.
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
	err := &UnsplittableError{Index: s.sealedScopes() + s.part.scopes, Limits: s.limits}
	for _, own := range s.path {
		err.Path = append(err.Path, scopeName(own))
	}
	return err
}
