package devintake

import (
	"encoding/json"
	"fmt"
)

// maxOtherKeyBytes limits the unknown keys of one object, which are kept to find duplicates.
const maxOtherKeyBytes = 1 << 20

// otherKeys are the unknown keys of an object.
type otherKeys struct {
	seen  map[string]struct{}
	bytes int
}

func (o *otherKeys) add(key []byte) (string, error) {
	if _, ok := o.seen[string(key)]; ok {
		return "", violate("duplicate key %q", cut(string(key)))
	}
	if o.bytes += len(key); o.bytes > maxOtherKeyBytes {
		return "", violate("unknown keys of more than %d bytes in total", maxOtherKeyBytes)
	}
	if o.seen == nil {
		o.seen = make(map[string]struct{})
	}
	name := string(key)
	o.seen[name] = struct{}{}
	return name, nil
}

// fields checks an object against a shape: each key occurs at most once, and no required key is
// missing. It calls visit at the value of each known key that is not null. It returns the set of
// known keys, with the bit 1 << i for the field i.
func (s *scanner) fields(sh *shape, visit func(*field) error) (seen uint32, err error) {
	var others otherKeys
	next, last := 0, ""
	err = s.object(func(key []byte) error {
		i := indexOf(sh.fields, key)
		if i < 0 {
			if sh.others != kept {
				next, last = max(next, len(sh.fields)-sh.trailing), cut(string(key))
			}
			return s.other(sh.others, &others, key)
		}
		if seen&(1<<i) != 0 {
			return violate("duplicate key %q", key)
		}
		seen |= 1 << i
		f := &sh.fields[i]
		s.push(step{key: f.name})
		null, err := s.null(f)
		if null || err != nil {
			return err
		}
		if sh.ordered && i < next {
			if err := s.deviate(KeyOrder, fmt.Sprintf("is out of order: it must precede %q", last)); err != nil {
				return err
			}
		}
		if i >= next {
			next, last = i+1, f.name
		}
		if err := visit(f); err != nil {
			return err
		}
		s.pop()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return seen, s.missing(sh, seen)
}

func indexOf(table []field, key []byte) int {
	for i := range table {
		if table[i].name == string(key) {
			return i
		}
	}
	return -1
}

// null consumes a null that stands for an absent key, and reports whether there was one.
func (s *scanner) null(f *field) (bool, error) {
	if f.presence > nullable || f.kind == kindStringOrNull {
		return false, nil
	}
	if c, err := s.peek(); err != nil || c != 'n' {
		return false, err
	}
	if err := s.word("null"); err != nil {
		return false, err
	}
	const reason = "is null: omit the key"
	if f.presence == nullable {
		s.keep(f.name, []byte("null"))
		s.note(Null, reason)
	} else if err := s.deviate(Null, reason); err != nil {
		return false, err
	}
	s.pop()
	return true, nil
}

// other consumes the value of a key that the shape does not have.
func (s *scanner) other(treatment openness, others *otherKeys, key []byte) error {
	if treatment == closed {
		return violate("unknown key %q", cut(string(key)))
	}
	name, err := others.add(key)
	if err != nil {
		return err
	}
	if treatment == open {
		return s.skip()
	}
	s.note(UnknownKey, fmt.Sprintf("unknown key %q", cut(name)))
	if treatment == noted {
		return s.skip()
	}
	value, err := s.raw()
	s.keep(name, value)
	return err
}

func (s *scanner) keep(name string, value []byte) {
	if s.kept == nil {
		s.kept = make(map[string]json.RawMessage)
	}
	s.kept[name] = value
}

// missing reports required keys that are not among those seen.
func (s *scanner) missing(sh *shape, seen uint32) error {
	for i := range sh.fields {
		f := &sh.fields[i]
		if f.presence < expected || seen&(1<<i) != 0 {
			continue
		}
		s.push(step{key: f.name})
		const reason = "missing"
		if f.presence == required {
			return violate(reason)
		}
		if err := s.deviate(MissingKey, reason); err != nil {
			return err
		}
		s.pop()
	}
	return nil
}
