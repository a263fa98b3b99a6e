package devintake

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// violation is a broken rule in a JSON text, and its place.
type violation struct {
	place  string // empty for the text as a whole
	reason string
}

func (v *violation) Error() string {
	if v.place == "" {
		return v.reason
	}
	return v.place + ": " + v.reason
}

func violate(format string, args ...any) error {
	return &violation{reason: fmt.Sprintf(format, args...)}
}

// step is a key, or an index if the key is empty.
type step struct {
	key   string
	index int
}

// place formats the position.
func (s *scanner) place() string {
	var b strings.Builder
	for _, at := range s.path {
		switch {
		case at.key == "":
			b.WriteString("[" + strconv.Itoa(at.index) + "]")
		case b.Len() > 0:
			b.WriteString("." + at.key)
		default:
			b.WriteString(at.key)
		}
	}
	return b.String()
}

// locate gives a violation its place.
func (s *scanner) locate(err error) error {
	if v, ok := errors.AsType[*violation](err); ok {
		v.place = s.place()
	}
	return err
}

func (s *scanner) push(at step) { s.path = append(s.path, at) }
func (s *scanner) pop()         { s.path = s.path[:len(s.path)-1] }

// note records a deviation at the position.
func (s *scanner) note(kind DeviationKind, reason string) {
	if s.found.count(kind) == 1 {
		s.found.illustrate(kind, (&violation{place: s.place(), reason: reason}).Error())
	}
}

// deviate notes a deviation in lenient mode, and otherwise returns a violation.
func (s *scanner) deviate(kind DeviationKind, reason string) error {
	if !s.found.lenient {
		return violate("%s", reason)
	}
	s.note(kind, reason)
	return nil
}
