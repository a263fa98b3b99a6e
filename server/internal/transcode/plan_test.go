package transcode_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/structpb" // registers the file that maps import

	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// describe returns the message M of package t with the fields given as the text
// form of their descriptors.
func describe(t *testing.T, body string) protoreflect.MessageDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name:       new("t.proto"),
		Package:    new("t"),
		Syntax:     new("proto3"),
		Dependency: []string{"google/protobuf/struct.proto"},
	}
	m := &descriptorpb.DescriptorProto{}
	if err := prototext.Unmarshal([]byte(body), m); err != nil {
		t.Fatal(err)
	}
	m.Name = new("M")
	file.MessageType = append(file.MessageType, m)
	desc, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return desc.Messages().Get(0)
}

const mapOfValues = `nested_type {
	name: "AEntry" options { map_entry: true }
	field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
	field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".google.protobuf.Value" label: LABEL_OPTIONAL }
}
field { name: "a" number: %d type: TYPE_MESSAGE type_name: ".t.M.AEntry" label: LABEL_REPEATED }
`

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	ofStrings := strings.Replace(mapOfValues, `type: TYPE_MESSAGE type_name: ".google.protobuf.Value"`, "type: TYPE_STRING", 1)
	byNumber := strings.Replace(mapOfValues, `number: 1 type: TYPE_STRING`, "number: 1 type: TYPE_INT32", 1)
	var many strings.Builder
	for i := range 65 {
		fmt.Fprintf(&many, `field { name: "f%d" number: %d type: TYPE_STRING label: LABEL_OPTIONAL }`, i, i+1)
	}
	tests := map[string]struct {
		body string
		want string
	}{
		"int64":            {`field { name: "f" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }`, "t.M.f: optional int64 is not supported"},
		"double":           {`field { name: "f" number: 1 type: TYPE_DOUBLE label: LABEL_OPTIONAL }`, "t.M.f: optional double is not supported"},
		"bytes":            {`field { name: "f" number: 1 type: TYPE_BYTES label: LABEL_OPTIONAL }`, "t.M.f: optional bytes is not supported"},
		"list of numbers":  {`field { name: "f" number: 1 type: TYPE_INT32 label: LABEL_REPEATED }`, "t.M.f: repeated int32 is not supported"},
		"list of booleans": {`field { name: "f" number: 1 type: TYPE_BOOL label: LABEL_REPEATED }`, "t.M.f: repeated bool is not supported"},
		"high number":      {`field { name: "f" number: 128 type: TYPE_STRING label: LABEL_OPTIONAL }`, "t.M.f: field number 128 is above 127"},
		"long name": {
			`field { name: "` + strings.Repeat("f", 29) + `" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }`,
			"t.M." + strings.Repeat("f", 29) + ": name is longer than",
		},
		"too many fields": {many.String(), "t.M: more than 63 fields"},
		"map not last": {
			fmt.Sprintf(mapOfValues, 1) + `field { name: "f" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }`,
			"t.M.a: a map must have the highest field number",
		},
		"map of strings":    {fmt.Sprintf(ofStrings, 1), "t.M.a: only map<string, google.protobuf.Value> is supported"},
		"map by number":     {fmt.Sprintf(byNumber, 1), "t.M.a: only map<string, google.protobuf.Value> is supported"},
		"in a child":        {`field { name: "f" number: 1 type: TYPE_MESSAGE type_name: ".google.protobuf.ListValue" label: LABEL_OPTIONAL }`, "google.protobuf."},
		"in itself, a list": {`field { name: "f" number: 1 type: TYPE_MESSAGE type_name: ".t.M" label: LABEL_REPEATED } field { name: "g" number: 2 type: TYPE_FLOAT label: LABEL_OPTIONAL }`, "t.M.g: optional float is not supported"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := transcode.Compile(describe(t, tt.body), transcode.Rules{}); err == nil || !strings.HasPrefix(err.Error(), "compile t.M: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// A message of other fields than a scope's: the largest number, the longest
// name, null and zero behind the last field on the wire, a map alone.
func TestCompileOther(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 28)
	tests := map[string]struct {
		body  string
		rules transcode.Rules
		wire  []byte
		want  string
	}{
		"no fields": {"", transcode.Rules{}, text(1, "x"), `{}`},
		"filled behind the last": {
			`field { name: "i" number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }
			field { name: "b" number: 5 type: TYPE_BOOL label: LABEL_OPTIONAL }
			field { name: "` + long + `" number: 127 type: TYPE_STRING label: LABEL_OPTIONAL proto3_optional: true oneof_index: 0 }
			oneof_decl { name: "_n" }`,
			transcode.Rules{Null: []protoreflect.FullName{protoreflect.FullName("t.M." + long)}},
			nil,
			`{"i":0,"b":false,"` + long + `":null}`,
		},
		"map alone": {
			fmt.Sprintf(mapOfValues, 127),
			transcode.Rules{},
			message(127, text(1, "k"), message(2, number(4, 1))),
			`{"k":true}`,
		},
		"map behind what is filled": {
			`field { name: "i" number: 3 type: TYPE_INT32 label: LABEL_OPTIONAL }` + fmt.Sprintf(mapOfValues, 9),
			transcode.Rules{},
			message(9, text(1, "i"), message(2, number(4, 1))),
			`{"i":0}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other, err := transcode.Compile(describe(t, tt.body), tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			checked, err := other.Check(tt.wire, maxDepth)
			if err != nil {
				t.Fatal(err)
			}
			if got := new(transcodetest.Recorder).Append(checked, nil); string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
