package devintake

// kind is the type of a key's value.
type kind uint8

const (
	kindString kind = iota
	kindName        // a string that is not empty
	kindStringOrNull
	kindBool
	kindInt32
	kindInt64
	kindStrings
	kindRanges      // {"start":…,"end":…}, any number
	kindSomeRanges  // the same, at least one
	kindSpecifics   // language_specifics
	kindSomeSymbols // at least one
	kindScopes      // at least one
)

// field is a key that an object may have.
type field struct {
	name     string
	kind     kind
	required bool
}

var scopeFields = []field{
	{"scope_type", kindName, true},
	{"name", kindString, false},
	{"source_file", kindString, false},
	{"start_line", kindInt32, true},
	{"end_line", kindInt32, true},
	{"has_injectible_lines", kindBool, false},
	{"injectible_lines", kindSomeRanges, false},
	{"language_specifics", kindSpecifics, false},
	{"symbols", kindSomeSymbols, false},
	{"scopes", kindScopes, false},
}

var symbolFields = []field{
	{"name", kindString, true},
	{"type", kindStringOrNull, true},
	{"symbol_type", kindName, true},
	{"line", kindInt32, false},
	{"language_specifics", kindSpecifics, false},
}

var rangeFields = []field{
	{"start", kindInt32, true},
	{"end", kindInt32, true},
}

// specificsFields are the typed keys of language_specifics. They and others may be in any order.
var specificsFields = []field{
	{"agent_version", kindString, false},
	{"go_qualified_name", kindString, false},
	{"available_line_ranges", kindRanges, false},
	{"access_modifiers", kindStrings, false},
	{"annotations", kindStrings, false},
	{"interfaces", kindStrings, false},
	{"super_class", kindString, false},
	{"super_classes", kindStrings, false},
	{"return_type", kindString, false},
	{"start_column", kindInt32, false},
	{"end_column", kindInt32, false},
	{"pdb_exist", kindBool, false},
	{"file_hash", kindString, false},
	{"function_type", kindString, false},
	{"method_type", kindString, false},
	{"visibility", kindString, false},
	{"arity", kindInt32, false},
	{"included_modules", kindStrings, false},
	{"prepended_modules", kindStrings, false},
}

// maxOpenKeyBytes limits the keys of one language_specifics, which are kept to find duplicates.
const maxOpenKeyBytes = 1 << 20

func (s *scanner) scope() error {
	return s.fields(scopeFields, true, s.value)
}

// value checks a value of a scope, or of something in it.
func (s *scanner) value(f *field) error {
	var err error
	switch f.kind {
	case kindString:
		_, err = s.str(false)
	case kindName:
		err = s.name()
	case kindStringOrNull:
		err = s.stringOrNull()
	case kindBool:
		_, err = s.boolean()
	case kindInt32:
		_, err = s.integer(32)
	case kindInt64:
		_, err = s.integer(64)
	case kindStrings:
		_, err = s.array(s.stringElement)
	case kindRanges:
		_, err = s.array(s.rangeElement)
	case kindSomeRanges:
		err = s.some(s.rangeElement)
	case kindSpecifics:
		err = s.specifics()
	case kindSomeSymbols:
		err = s.some(s.symbolElement)
	case kindScopes:
		err = s.some(s.scopeElement)
	}
	return err
}

func (s *scanner) stringElement(int) error {
	_, err := s.str(false)
	return err
}

func (s *scanner) rangeElement(int) error  { return s.fields(rangeFields, true, s.value) }
func (s *scanner) symbolElement(int) error { return s.fields(symbolFields, true, s.value) }
func (s *scanner) scopeElement(int) error  { return s.scope() }

// some checks an array that must not be empty.
func (s *scanner) some(visit func(i int) error) error {
	count, err := s.array(visit)
	if err == nil && count == 0 {
		err = violate("is empty, so it has to be left out")
	}
	return err
}

func (s *scanner) name() error {
	length, err := s.str(false)
	if err == nil && length == 0 {
		err = violate("is empty")
	}
	return err
}

func (s *scanner) stringOrNull() error {
	c, err := s.peek()
	if err == nil && c == 'n' {
		return s.word("null")
	}
	_, err = s.str(false)
	return err
}

// fields checks an object that has the keys in table, each at most once, and in the table's order
// if ordered is set.
func (s *scanner) fields(table []field, ordered bool, visit func(*field) error) error {
	var seen uint32
	next := 0
	err := s.object(func(key []byte) error {
		i := indexOf(table, key)
		switch {
		case i < 0:
			return violate("unknown key %q", cut(string(key)))
		case seen&(1<<i) != 0:
			return violate("the key %q occurs twice", key)
		case ordered && i < next:
			return violate("the key %q is out of order, it belongs before %q", key, table[next-1].name)
		}
		for ; ordered && next < i; next++ {
			if table[next].required {
				return violate("want the key %q before %q", table[next].name, key)
			}
		}
		next = i + 1
		seen |= 1 << i
		if err := visit(&table[i]); err != nil {
			return withinKey(err, table[i].name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range table {
		if table[i].required && seen&(1<<i) == 0 {
			return withinKey(violate("the key is missing"), table[i].name)
		}
	}
	return nil
}

func indexOf(table []field, key []byte) int {
	for i := range table {
		if table[i].name == string(key) {
			return i
		}
	}
	return -1
}

// specifics checks a language_specifics object.
func (s *scanner) specifics() error {
	var seen uint32
	var open map[string]struct{}
	openBytes := 0
	return s.object(func(key []byte) error {
		if i := indexOf(specificsFields, key); i >= 0 {
			if seen&(1<<i) != 0 {
				return violate("the key %q occurs twice", key)
			}
			seen |= 1 << i
			if err := s.value(&specificsFields[i]); err != nil {
				return withinKey(err, specificsFields[i].name)
			}
			return nil
		}
		if _, ok := open[string(key)]; ok {
			return violate("the key %q occurs twice", cut(string(key)))
		}
		if openBytes += len(key); openBytes > maxOpenKeyBytes {
			return violate("more than %d bytes of keys", maxOpenKeyBytes)
		}
		if open == nil {
			open = make(map[string]struct{})
		}
		open[string(key)] = struct{}{}
		return s.skip()
	})
}
