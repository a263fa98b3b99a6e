package tenant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Services are the services that a tenant may upload for. A name that ends in * is a
// prefix. Case matters, as it does to an intake. The nil value contains every service.
type Services struct {
	names    map[string]struct{}
	prefixes []string // sorted; none begins with another
}

// maxServiceBytes limits a name, or a prefix.
const maxServiceBytes = 256

func (s *Services) add(pattern string) error {
	name, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "":
		return errors.New("empty")
	case strings.Contains(name, "*"):
		return errors.New("* is only allowed at the end, where it matches any suffix")
	case len(name) > maxServiceBytes:
		return fmt.Errorf("longer than %d bytes", maxServiceBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return errors.New("contains invalid UTF-8 or a control character")
	case isPrefix:
		return s.addPrefix(name)
	}
	if _, found := s.names[name]; found {
		return errDuplicate
	}
	if s.names == nil {
		s.names = map[string]struct{}{}
	}
	s.names[name] = struct{}{}
	return nil
}

func (s *Services) addPrefix(prefix string) error {
	i, found := slices.BinarySearch(s.prefixes, prefix)
	if found {
		return errDuplicate
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

// hasPrefix reports whether the name has one of the prefixes. Only the last prefix not
// after the name can be one.
func (s *Services) hasPrefix(name string) bool {
	i, found := slices.BinarySearch(s.prefixes, name)
	return found || i > 0 && strings.HasPrefix(name, s.prefixes[i-1])
}

func (s *Services) empty() bool { return len(s.names)+len(s.prefixes) == 0 }

// Has reports whether the service is one of them.
func (s *Services) Has(name string) bool {
	if s == nil {
		return true
	}
	_, found := s.names[name]
	return found || s.hasPrefix(name)
}
