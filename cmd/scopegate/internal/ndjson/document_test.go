package ndjson_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func document(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("../../../../docs/ndjson.md")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestDocumentedExampleIsRead(t *testing.T) {
	t.Parallel()
	_, rest, _ := bytes.Cut(document(t), []byte("```ndjson\n"))
	example, _, found := bytes.Cut(rest, []byte("```"))
	if !found {
		t.Fatal("there is no example")
	}
	var names []string
	for scope, err := range ndjson.Scopes(bytes.NewReader(example), 64<<20) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, scope.GetName())
	}
	if !slices.Equal(names, []string{"shop.rb", "empty.rb"}) {
		t.Errorf("got %q", names)
	}
}

// example has a value of each type that the document names.
var example = map[string]string{
	"string": `"a"`, "string or null": `null`, "integer": `1`, "boolean": `true`, "object": `{}`, "array of strings": `["a"]`,
	"array of ranges": `[{}]`, "array of symbols": `[]`, "array of scopes": `[]`,
}

// TestDocumentedKeys reads, for each table of keys, an object with all of them, and
// objects that lack one of them.
func TestDocumentedKeys(t *testing.T) {
	t.Parallel()
	for title, section := range map[string]struct {
		message proto.Message
		line    string // the object is in the place of %s
	}{
		"A scope":            {&symdbv1.Scope{}, `%s`},
		"A symbol":           {&symdbv1.Symbol{}, `{"scope_type":"FILE","symbols":[%s]}`},
		"A range":            {&symdbv1.LineRange{}, `{"scope_type":"FILE","injectible_lines":[%s]}`},
		"Language specifics": {&symdbv1.LanguageSpecifics{}, `{"scope_type":"FILE","language_specifics":%s}`},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			keys, members, needed := documentedKeys(t, title)
			var fields []string
			for i := range section.message.ProtoReflect().Descriptor().Fields().Len() {
				if field := section.message.ProtoReflect().Descriptor().Fields().Get(i); !field.IsMap() {
					fields = append(fields, string(field.Name()))
				}
			}
			if got, want := slices.Sorted(slices.Values(keys)), slices.Sorted(slices.Values(fields)); !slices.Equal(got, want) {
				t.Fatalf("the table has %q, want %q", got, want)
			}
			decode := func(members []string) error {
				_, err := ndjson.Decode(fmt.Appendf(nil, section.line, "{"+strings.Join(members, ",")+"}"))
				return err
			}
			if err := decode(members); err != nil {
				t.Error(err)
			}
			for i, key := range keys {
				if err := decode(slices.Delete(slices.Clone(members), i, i+1)); (err != nil) != needed[i] {
					t.Errorf("without %s: %v", key, err)
				}
			}
		})
	}
}

// documentedKeys returns the rows of a section's table: keys, a member for each, and
// whether it is required.
func documentedKeys(t *testing.T, title string) (keys, members []string, needed []bool) {
	t.Helper()
	_, rest, _ := strings.Cut(string(document(t)), "\n## "+title+"\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`) \\| (.*?) \\| (yes|no) \\|").FindAllStringSubmatch(section, -1) {
		value, ok := example[row[2]]
		if !ok {
			t.Fatalf("%s: unknown type %q", row[1], row[2])
		}
		for key := range strings.SplitSeq(row[1], ", ") {
			key = strings.Trim(key, "`")
			keys, members, needed = append(keys, key), append(members, fmt.Sprintf("%q:%s", key, value)), append(needed, row[3] == "yes")
		}
	}
	return keys, members, needed
}
