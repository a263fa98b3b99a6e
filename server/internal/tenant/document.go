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

// document reads YAML by the text of its scalars, whatever type YAML gives them: a
// name 1.10 is not 1.1, and 010 is not 8. Anchors and aliases of whole values are
// followed; there are no merge keys and no tags. Its errors are a [*fault], and
// repeat nothing of the text but the names of keys.
type document struct {
	anchors map[string]ast.Node
}

// fault says where a file is wrong.
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

// at says that err is about a node, which is reached from the one around it by step.
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

// documentMark is a line that begins a document (YAML 1.2, section 9.1.2).
var documentMark = regexp.MustCompile(`(?m)^---(?:\s|$)`)

// parse returns what the text is about; nil: nothing.
func parse(content []byte) (ast.Node, error) {
	if nestedDeeper(content, maxNesting) {
		return nil, errors.New("malformed: nested too deeply")
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

// explain says what is wrong with a file without the lines that it is in, which a
// YAML error shows: an operator may have put there what belongs in another file.
func explain(err error) error {
	malformed := errors.New("malformed")
	wrong, ok := errors.AsType[yaml.Error](err)
	if !ok || wrong.GetToken() == nil || wrong.GetToken().Position == nil {
		return malformed
	}
	position := wrong.GetToken().Position
	return &fault{line: position.Line, column: position.Column, err: malformed}
}

// maxNesting is several times the depth of a file of tenants. The parser takes time
// and memory by the square of the depth.
const maxNesting = 32

// nestedDeeper reports whether brackets, wherever they stand, or lists within lists in
// one line are nested deeper than most.
func nestedDeeper(content []byte, most int) bool {
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
		if brackets > most || dashes > most {
			return true
		}
	}
	return false
}

// What is wrong with a value.
var (
	errUnknownKey    = errors.New("unknown key")
	errTwice         = errors.New("it is there twice")
	errNoValue       = errors.New("there is no value; leave the key out for the default")
	errNotNumber     = errors.New("not a whole number in decimal digits")
	errNotTime       = errors.New("neither a time such as 2027-01-01T00:00:00Z nor a date")
	errManyDocuments = errors.New("more than one document")
)

// resolve returns the value that a node stands for.
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
			return nil, errors.New("an alias of nothing that stands before it")
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
			return at("."+shownKey(name), key, errTwice)
		}
		seen[name] = true
		if err := member(name, row.Value()); err != nil {
			return at("."+shownKey(name), key, err)
		}
	}
	return nil
}

// shownKey returns a key as an error names it. A name with digits or signs may be a
// token that was written in place of a mapping.
func shownKey(name string) string {
	plain := func(r rune) bool { return r == '_' || r == '-' || 'a' <= r|0x20 && r|0x20 <= 'z' }
	known := name == "sha256" || name == "<<"
	if !known && (len(name) > maxNameBytes/2 || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) })) {
		return "(a key that is not shown)"
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

// text returns the text of a scalar: of a quoted or a block one what it means, of a
// plain one what stands in the file.
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
	return "", errors.New("not a text or a number")
}

// number returns a whole number from 0 to most.
func (d *document) number(node ast.Node, most int64) (int64, error) {
	text, err := d.text(node)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && n > uint64(most):
		return 0, fmt.Errorf("more than %d", most)
	case err != nil:
		return 0, errNotNumber
	}
	return int64(n), nil
}

// time returns a time of RFC 3339, or the beginning of a date in UTC.
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
