package tenant

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// document reads YAML by the text of its scalars, regardless of their YAML type: a name
// 1.10 is not 1.1, and 010 is not 8. It follows anchors and aliases of whole values, but
// supports neither merge keys nor tags. Its errors are a [*fault], and quote only the
// names of keys.
type document struct {
	anchors map[string]ast.Node
}

// fault is an error with its place in the file.
type fault struct {
	line, column int
	path         string // such as .tenants[0].name
	err          error
}

func (f *fault) Error() string {
	text := fmt.Sprintf("line %d, column %d: ", f.line, f.column)
	if f.path != "" {
		text += strings.TrimPrefix(f.path, ".") + ": "
	}
	return text + f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

// at adds the place of a node to err. Step leads to the node from the one around it.
func at(step string, node ast.Node, err error) error {
	if err == nil {
		return nil
	}
	inner, ok := errors.AsType[*fault](err)
	if !ok {
		inner = &fault{err: err}
		if token := node.GetToken(); token != nil && token.Position != nil {
			inner.line, inner.column = token.Position.Line, token.Position.Column
		}
	}
	inner.path = step + inner.path
	return inner
}

// documentMark matches a line that starts a document (YAML 1.2, section 9.1.2).
var documentMark = regexp.MustCompile(`(?m)^---(?:\s|$)`)

// parse returns the root of the only document, or nil if it is empty.
func parse(content []byte) (ast.Node, error) {
	if nestedDeeper(content, maxNesting) {
		return nil, errors.New("nested too deeply")
	}
	if len(documentMark.FindAllIndex(content, 2)) > 1 { // the parser drops what follows an empty document
		return nil, errManyDocuments
	}
	file, err := parser.ParseBytes(content, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, explain(err)
	}
	var root ast.Node
	for _, part := range file.Docs {
		switch {
		case part.Body == nil || part.Body.Type() == ast.CommentType || part.Body.Type() == ast.DirectiveType:
		case root != nil:
			return nil, at("", part.Body, errManyDocuments)
		default:
			root = part.Body
		}
	}
	return root, nil
}

// explain returns the position of a YAML error without the lines that it quotes. They
// may contain secrets that belong in another file.
func explain(err error) error {
	malformed := errors.New("malformed YAML")
	wrong, ok := errors.AsType[yaml.Error](err)
	if !ok || wrong.GetToken() == nil || wrong.GetToken().Position == nil {
		return malformed
	}
	position := wrong.GetToken().Position
	return &fault{line: position.Line, column: position.Column, err: malformed}
}

// maxNesting is several times the depth of a tenants file. The parser's time and memory
// grow with the square of the depth.
const maxNesting = 32

// nestedDeeper reports whether brackets, even in strings, or lists in one line are nested
// deeper than limit.
func nestedDeeper(content []byte, limit int) bool {
	brackets, dashes := 0, 0
	for i, c := range content {
		switch c {
		case '[', '{':
			brackets++
		case ']', '}':
			brackets = max(0, brackets-1)
		case '-':
			if bytes.HasPrefix(content[i:], []byte("- ")) {
				dashes++
			}
		case ' ':
		default:
			dashes = 0
		}
		if brackets > limit || dashes > limit {
			return true
		}
	}
	return false
}

var (
	errUnknownKey    = errors.New("unknown key")
	errDuplicateKey  = errors.New("duplicate key")
	errDuplicate     = errors.New("duplicate value")
	errNoValue       = errors.New("missing value; omit the key to use the default")
	errNotNumber     = errors.New("not a whole number in decimal digits")
	errNotBytes      = errors.New("not a whole number of bytes, such as 67108864")
	errNotTime       = errors.New("not a date (2027-01-01) or a time (2027-01-01T00:00:00Z)")
	errManyDocuments = errors.New("more than one YAML document")
)

// resolve follows anchors and aliases.
func (d *document) resolve(node ast.Node) (ast.Node, error) {
	switch n := node.(type) {
	case *ast.AnchorNode:
		value, err := d.resolve(n.Value)
		if err == nil {
			d.anchors[n.Name.GetToken().Value] = value
		}
		return value, err
	case *ast.AliasNode:
		value := d.anchors[n.Value.GetToken().Value]
		if value == nil {
			return nil, errors.New("unknown alias: its anchor must come before it")
		}
		return value, nil
	case nil, *ast.NullNode:
		return nil, errNoValue
	}
	return node, nil
}

// mapping calls member for each key of a mapping.
func (d *document) mapping(node ast.Node, member func(key string, value ast.Node) error) error {
	value, err := d.resolve(node)
	if err != nil {
		return err
	}
	rows, ok := value.(ast.MapNode)
	if !ok {
		return errors.New("not a mapping")
	}
	seen := map[string]bool{}
	for row := rows.MapRange(); row.Next(); {
		name, key := row.Key().GetToken().Value, row.Key()
		if seen[name] {
			return at("."+shownKey(name), key, errDuplicateKey)
		}
		seen[name] = true
		if err := member(name, row.Value()); err != nil {
			return at("."+shownKey(name), key, err)
		}
	}
	return nil
}

// shownKey returns a key for an error. It hides keys with digits or signs: they may be
// tokens where a mapping belongs.
func shownKey(name string) string {
	plain := func(r rune) bool { return r == '_' || r == '-' || 'a' <= r|0x20 && r|0x20 <= 'z' }
	known := name == "sha256" || name == "<<"
	if !known && (len(name) > maxNameBytes/2 || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) })) {
		return "(hidden key)"
	}
	return name
}

// list calls item for each item of a list.
func (d *document) list(node ast.Node, item func(ast.Node) error) error {
	value, err := d.resolve(node)
	if err != nil {
		return err
	}
	items, ok := value.(*ast.SequenceNode)
	if !ok {
		return errors.New("not a list")
	}
	for i, node := range items.Values {
		if err := item(node); err != nil {
			return at("["+strconv.Itoa(i)+"]", node, err)
		}
	}
	return nil
}

// text returns the text of a scalar: as in the file if it is plain, and otherwise without
// quotes and escapes.
func (d *document) text(node ast.Node) (string, error) {
	value, err := d.resolve(node)
	if err != nil {
		return "", err
	}
	switch scalar := value.(type) {
	case *ast.StringNode:
		return scalar.Value, nil
	case *ast.LiteralNode:
		return scalar.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return value.GetToken().Value, nil
	}
	return "", errors.New("not a string or a number")
}

// number returns a whole number from 0 to limit.
func (d *document) number(node ast.Node, limit int64) (int64, error) {
	text, err := d.text(node)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(limit):
		return 0, fmt.Errorf("more than %d", limit)
	case err != nil:
		return 0, errNotNumber
	}
	return int64(n), nil
}

// time parses an RFC 3339 time, or a date, which means its start in UTC.
func (d *document) time(node ast.Node) (time.Time, error) {
	text, err := d.text(node)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if err != nil || t.Unix() <= 0 { // the zero time means never
		return time.Time{}, errNotTime
	}
	return t, nil
}
