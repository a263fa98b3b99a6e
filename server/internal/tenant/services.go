package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Services are the names that a tenant's services may have. A name with a * at its
// end stands for all that begin with what is in front of it. Upper and lower case
// differ, as an intake keeps them apart. The nil value has every name.
type Services struct {
	names    map[string]struct{}
	prefixes []string // sorted; none begins with another
}

// maxServiceBytes bounds a name, or what is in front of the *.
const maxServiceBytes = 256

// add adds a name or a prefix.
func (s *Services) add(pattern string) error {
	name, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "":
		return errors.New("it is empty")
	case strings.Contains(name, "*"):
		return errors.New("a * stands only at the end, for any rest of a name")
	case len(name) > maxServiceBytes:
		return fmt.Errorf("longer than %d bytes", maxServiceBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("not UTF-8, or with a control character")
	case isPrefix:
		return s.addPrefix(name)
	}
	if _, there := s.names[name]; there {
		return errTwice
	}
	if s.names == nil {
		s.names = map[string]struct{}{}
	}
	s.names[name] = struct{}{}
	return nil
}

func (s *Services) addPrefix(prefix string) error {
	i, there := slices.BinarySearch(s.prefixes, prefix)
	if there {
		return errTwice
	}
	if s.hasPrefix(prefix) {
		return nil
	}
	end := i
	for end < len(s.prefixes) && strings.HasPrefix(s.prefixes[end], prefix) {
		end++
	}
	s.prefixes = slices.Replace(s.prefixes, i, end, prefix)
	return nil
}

// hasPrefix reports whether the name begins with a prefix: if it does, then with the
// last that is not behind it.
func (s *Services) hasPrefix(name string) bool {
	i, there := slices.BinarySearch(s.prefixes, name)
	return there || i > 0 && strings.HasPrefix(name, s.prefixes[i-1])
}

func (s *Services) empty() bool { return len(s.names)+len(s.prefixes) == 0 }

// Has reports whether a service may have the name.
func (s *Services) Has(name string) bool {
	if s == nil {
		return true
	}
	_, there := s.names[name]
	return there || s.hasPrefix(name)
}
