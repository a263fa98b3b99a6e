package main

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestSetIsComplete(t *testing.T) {
	t.Parallel()
	in := &descriptorpb.FileDescriptorSet{}
	for _, file := range []protoreflect.FileDescriptor{
		durationpb.File_google_protobuf_duration_proto,
		structpb.File_google_protobuf_struct_proto,
		symdbv1.File_symdb_v1_scope_proto,
		symdbv1.File_symdb_v1_symbol_database_service_proto,
	} {
		in.File = append(in.File, protodesc.ToFileDescriptorProto(file))
	}
	raw, err := proto.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(bytes.NewReader(raw), &out); err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(out.Bytes(), set); err != nil {
		t.Fatal(err)
	}
	// A compiler wants each file once, behind those it imports.
	seen := map[string]bool{}
	for _, file := range set.GetFile() {
		if seen[file.GetName()] {
			t.Errorf("%s is there twice", file.GetName())
		}
		for _, dependency := range file.GetDependency() {
			if !seen[dependency] {
				t.Errorf("%s comes before %s", file.GetName(), dependency)
			}
		}
		seen[file.GetName()] = true
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []protoreflect.FullName{
		"symdb.v1.SymbolDatabaseService", "symdb.v1.UploadProgress", "google.rpc.Status",
		"google.rpc.ErrorInfo", "google.rpc.RetryInfo", "google.rpc.BadRequest",
	} {
		if _, err := files.FindDescriptorByName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSetThatIsNone(t *testing.T) {
	t.Parallel()
	if err := run(strings.NewReader("\xff"), &bytes.Buffer{}); err == nil {
		t.Error("no error of a set that can't be read")
	}
}
