package devintake

// kind is the type of a key's value.
type kind uint8

const (
	kindString kind = iota
	kindName        // a string that is not empty
	kindSymbolType
	kindStringOrNull
	kindBool
	kindInt32
	kindInt64
	kindStrings
	kindRanges    // {"start":…,"end":…}
	kindSpecifics // language_specifics
	kindSymbols
	kindScopes
)

// presence says what a missing key and a null mean.
type presence uint8

const (
	optional presence = iota // null is a deviation
	nullable                 // null is noted
	expected                 // missing is a deviation
	required
)

// openness says what happens to keys that a table does not have.
type openness uint8

const (
	closed openness = iota // they are refused
	open
	noted
	kept // noted, with their values
)

// shape describes the keys that an object may have.
type shape struct {
	fields []field
	// ordered is set if the keys must come in the order of fields.
	ordered bool
	others  openness
	// trailing is how many of the fields come after other keys if the keys are ordered. Keys
	// that are kept may come anywhere.
	trailing int
}

// field is a key that an object may have.
type field struct {
	name     string
	kind     kind
	presence presence
	// full is set for an array that may not be empty.
	full bool
}

var scopeShape = &shape{ordered: true, others: noted, trailing: 2, fields: []field{
	{name: "scope_type", kind: kindName, presence: required},
	{name: "name", kind: kindString},
	{name: "source_file", kind: kindString},
	{name: "start_line", kind: kindInt32, presence: expected},
	{name: "end_line", kind: kindInt32, presence: expected},
	{name: "has_injectible_lines", kind: kindBool},
	{name: "injectible_lines", kind: kindRanges, full: true},
	{name: "language_specifics", kind: kindSpecifics},
	{name: "symbols", kind: kindSymbols, full: true},
	{name: "scopes", kind: kindScopes, full: true},
}}

var symbolShape = &shape{ordered: true, others: noted, fields: []field{
	{name: "name", kind: kindString, presence: required},
	{name: "type", kind: kindStringOrNull, presence: expected},
	{name: "symbol_type", kind: kindSymbolType, presence: required},
	{name: "line", kind: kindInt32},
	{name: "language_specifics", kind: kindSpecifics},
}}

// lineIndex is the index of the key line in symbolShape.
const lineIndex = 3

var rangeShape = &shape{ordered: true, others: closed, fields: []field{
	{name: "start", kind: kindInt32, presence: required},
	{name: "end", kind: kindInt32, presence: required},
}}

// specificsShape has the typed keys of language_specifics.
var specificsShape = &shape{others: open, fields: []field{
	{name: "agent_version", kind: kindString},
	{name: "go_qualified_name", kind: kindString},
	{name: "available_line_ranges", kind: kindRanges},
	{name: "access_modifiers", kind: kindStrings},
	{name: "annotations", kind: kindStrings},
	{name: "interfaces", kind: kindStrings},
	{name: "super_class", kind: kindString},
	{name: "super_classes", kind: kindStrings},
	{name: "return_type", kind: kindString},
	{name: "start_column", kind: kindInt32},
	{name: "end_column", kind: kindInt32},
	{name: "pdb_exist", kind: kindBool},
	{name: "file_hash", kind: kindString},
	{name: "function_type", kind: kindString},
	{name: "method_type", kind: kindString},
	{name: "visibility", kind: kindString},
	{name: "arity", kind: kindInt32},
	{name: "included_modules", kind: kindStrings},
	{name: "prepended_modules", kind: kindStrings},
}}

func (s *scanner) scope() error {
	_, err := s.fields(scopeShape, s.value)
	return err
}

// symbol checks a symbol. The public schema requires a line of every symbol that is not a
// `field`.
func (s *scanner) symbol() error {
	seen, err := s.fields(symbolShape, s.value)
	if err == nil && seen&(1<<lineIndex) == 0 && !s.isField {
		s.push(step{key: symbolShape.fields[lineIndex].name})
		s.note(MissingLine, "missing, although symbol_type is not exactly field")
		s.pop()
	}
	return err
}

// value checks a value of a scope, or of something in it.
func (s *scanner) value(f *field) error {
	var err error
	switch f.kind {
	case kindString:
		_, err = s.str(false)
	case kindName:
		err = s.name()
	case kindSymbolType:
		if err = s.name(); err == nil {
			s.isField = string(s.text) == "field"
		}
	case kindStringOrNull:
		err = s.stringOrNull()
	case kindBool:
		_, err = s.boolean()
	case kindInt32:
		_, err = s.integer(32)
	case kindInt64:
		_, err = s.integer(64)
	case kindStrings:
		err = s.list(f, s.stringElement)
	case kindRanges:
		err = s.list(f, s.rangeElement)
	case kindSpecifics:
		err = s.specifics()
	case kindSymbols:
		err = s.list(f, s.symbolElement)
	case kindScopes:
		err = s.list(f, s.scopeElement)
	}
	return err
}

func (s *scanner) stringElement(int) error {
	_, err := s.str(false)
	return err
}

func (s *scanner) rangeElement(int) error {
	_, err := s.fields(rangeShape, s.value)
	return err
}

func (s *scanner) symbolElement(int) error { return s.symbol() }
func (s *scanner) scopeElement(int) error  { return s.scope() }

const empty = "is empty: omit the key"

// list checks an array. Where the protocol lets the server drop an empty one, it is noted only
// in lenient mode.
func (s *scanner) list(f *field, visit func(i int) error) error {
	count, err := s.array(visit)
	switch {
	case err != nil || count > 0:
	case f.full:
		err = s.deviate(Empty, empty)
	case s.found.lenient:
		s.note(Empty, empty)
	}
	return err
}

// specifics checks a language_specifics object.
func (s *scanner) specifics() error {
	seen, err := s.fields(specificsShape, s.value)
	if err == nil && seen == 0 && s.found.lenient {
		s.note(Empty, empty)
	}
	return err
}

// name checks a string that is not empty, and keeps it in text.
func (s *scanner) name() error {
	length, err := s.str(true)
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
