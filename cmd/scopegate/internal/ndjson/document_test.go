package ndjson_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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

// TestFieldsAreKeys reads objects with all fields of a message, without one of them, and
// with one of the wrong type.
func TestFieldsAreKeys(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		message  proto.Message
		line     string // the object is in the place of %s
		required []string
	}{
		{&symdbv1.Scope{}, `%s`, []string{"scope_type"}},
		{&symdbv1.Symbol{}, `{"scope_type":"FILE","symbols":[%s]}`, []string{"name", "symbol_type"}},
		{&symdbv1.LineRange{}, `{"scope_type":"FILE","injectible_lines":[%s]}`, nil},
		{&symdbv1.LanguageSpecifics{}, `{"scope_type":"FILE","language_specifics":%s}`, nil},
	} {
		message := test.message.ProtoReflect().Descriptor()
		t.Run(string(message.Name()), func(t *testing.T) {
			t.Parallel()
			var keys, right, wrong []string
			for i := range message.Fields().Len() {
				field := message.Fields().Get(i)
				if field.IsMap() { // additional
					continue
				}
				value, other := example(field)
				keys = append(keys, string(field.Name()))
				right = append(right, fmt.Sprintf("%q:%s", field.Name(), value))
				wrong = append(wrong, fmt.Sprintf("%q:%s", field.Name(), other))
			}
			decode := func(members []string) error {
				_, err := ndjson.Decode(fmt.Appendf(nil, test.line, "{"+strings.Join(members, ",")+"}"))
				return err
			}
			if err := decode(right); err != nil {
				t.Error(err)
			}
			for i, key := range keys {
				if err := decode(slices.Delete(slices.Clone(right), i, i+1)); (err != nil) != slices.Contains(test.required, key) {
					t.Errorf("without %s: %v", key, err)
				}
				if err := decode(slices.Replace(slices.Clone(right), i, i+1, wrong[i])); err == nil {
					t.Errorf("%s: want an error", wrong[i])
				}
			}
		})
	}
}

// example returns a value of a field's type, and one of another type.
func example(field protoreflect.FieldDescriptor) (value, other string) {
	switch {
	case field.IsList() && field.Kind() == protoreflect.StringKind:
		return `["a"]`, `[1]`
	case field.IsList():
		return `[]`, `[1]`
	case field.Kind() == protoreflect.StringKind:
		return `"a"`, `1`
	case field.Kind() == protoreflect.BoolKind:
		return `true`, `1`
	case field.Kind() == protoreflect.MessageKind:
		return `{}`, `1`
	}
	return `1`, `"a"`
}
