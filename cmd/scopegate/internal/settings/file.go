package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/scopegate/scopegate/server/textfile"
)

// configFile gives flags the values of a YAML file. The file is a mapping from flags'
// names, without the leading dashes, to scalars or, for flags that can be repeated, to
// lists. A configFile is empty until it is loaded.
type configFile struct {
	path   string
	values map[*kong.Value]fileValue
}

// fileValue is a value for kong to parse, and its line in the file.
type fileValue struct {
	line   int
	parsed any
}

// maxConfigBytes is far above the size of any configuration.
const maxConfigBytes = 1 << 20

// NotInFile reports whether the flag of that name can't be set in a file.
func NotInFile(name string) bool {
	return slices.Contains([]string{"help", "help-all", "version", "config", "check"}, name)
}

// load reads the values of flags from the file at path. Its errors name the file, the
// line and the key, but no value, which could be an API key in the wrong place.
func (f *configFile) load(ctx context.Context, path string, flags []*kong.Flag) error {
	content, err := textfile.ReadOnce(ctx, path, maxConfigBytes)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	f.path = path
	f.values = make(map[*kong.Value]fileValue)
	entries, err := parseEntries(ctx, content)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var wrong []error
	for _, e := range entries {
		if err := f.enter(e, flags); err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %s: %w", path, e.line, shownName(e.key), err))
		}
	}
	return errors.Join(wrong...)
}

// entry is a key of the file and its value.
type entry struct {
	key   string
	line  int
	value ast.Node
}

// documentMark is a line that begins a document (YAML 1.2, section 9.1.2).
var documentMark = regexp.MustCompile(`(?m)^---(?:\s|$)`)

func manyDocuments(line int) error { return fmt.Errorf("line %d: more than one document", line) }

// parseEntries returns the entries of the mapping in content, in order. Empty content, or
// content that is only comments, has none.
func parseEntries(ctx context.Context, content []byte) ([]entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if marks := documentMark.FindAllIndex(content, 2); len(marks) > 1 { // the parser drops what follows an empty document
		return nil, manyDocuments(1 + bytes.Count(content[:marks[1][0]], []byte("\n")))
	}
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return nil, errors.New("not YAML: invalid UTF-8")
	}
	file, err := parser.ParseBytes(content, 0) // not interruptible, but content is bounded
	if wrong, ok := errors.AsType[yaml.Error](err); ok {
		line := wrong.GetToken().Position.Line
		if strings.HasPrefix(wrong.GetMessage(), "mapping key ") {
			return nil, fmt.Errorf("line %d: %s: given twice", line, shownName(wrong.GetToken().Value))
		}
		if said := withoutValues(wrong.GetMessage()); said != "" {
			return nil, fmt.Errorf("line %d: not YAML: %s", line, said)
		}
		return nil, fmt.Errorf("line %d: not YAML", line)
	} else if err != nil {
		return nil, errors.New("not YAML")
	}
	var entries []entry
	seen := false
	for _, document := range file.Docs {
		if document.Body == nil || document.Body.Type() == ast.CommentType || document.Body.Type() == ast.DirectiveType {
			continue
		}
		if seen {
			return nil, manyDocuments(document.Body.GetToken().Position.Line)
		}
		seen = true
		mapping, ok := document.Body.(ast.MapNode)
		if !ok {
			return nil, errors.New("not a mapping of setting names to values")
		}
		for rows := mapping.MapRange(); rows.Next(); {
			key := rows.Key().GetToken()
			entries = append(entries, entry{key: key.Value, line: key.Position.Line, value: rows.Value()})
		}
	}
	return entries, nil
}

// withoutValues returns a message of the YAML parser up to its first quote, from which
// on it may repeat the file's own text. Some messages mean nothing without the rest.
func withoutValues(message string) string {
	switch {
	case strings.HasPrefix(message, "found character '\t'"):
		return "a tab; indent with blanks"
	case strings.HasPrefix(message, "sequence end token"), strings.HasPrefix(message, "',' or ']'"):
		return "a [ without ]"
	case strings.HasPrefix(message, "could not find flow mapping end token"), strings.HasPrefix(message, "',' or '}'"):
		return "a { without }"
	}
	short, _, _ := strings.Cut(message, `"`)
	short, _, _ = strings.Cut(short, `'`)
	return strings.TrimRight(short, " :")
}

func (f *configFile) enter(e entry, flags []*kong.Flag) error {
	if NotInFile(e.key) {
		return errors.New("can't be set in a configuration file")
	}
	i := slices.IndexFunc(flags, func(flag *kong.Flag) bool {
		return flag.Name == e.key || slices.Contains(flag.Aliases, e.key)
	})
	if i < 0 {
		return unknownKey(e.key, flags)
	}
	value := flags[i].Value
	parsed, err := shapeOf(value).read(e.value)
	if err != nil {
		return err
	}
	if err := tryParse(value, parsed); err != nil {
		return err
	}
	f.values[value] = fileValue{line: e.line, parsed: parsed}
	return nil
}

func unknownKey(key string, flags []*kong.Flag) error {
	var names []string
	for _, flag := range flags {
		if !NotInFile(flag.Name) {
			names = append(names, flag.Name)
		}
	}
	plain := strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(key), "_", "-"), "scopegate-") // as in a variable
	best := Nearest(plain, names, len(plain)/2)
	i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, plain+"-") })
	if i >= 0 && best != plain {
		best = names[i]
	}
	if best == "" {
		return errors.New("unknown key")
	}
	return fmt.Errorf("unknown key, did you mean %s?", best)
}

// Nearest returns the first of the names that are most like name, or "" if none of them is
// within that edit distance.
func Nearest(name string, names []string, distance int) string {
	best := ""
	for _, candidate := range names {
		if d := editDistance(name, candidate); d <= distance {
			best, distance = candidate, d-1
		}
	}
	return best
}

// editDistance returns how many bytes must be inserted, removed or replaced to turn a
// into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Validate accepts every command line.
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's value, or nil if the file has none.
func (f *configFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	return f.values[flag.Value].parsed, nil
}
