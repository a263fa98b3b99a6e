// Protoset completes a descriptor set: it reads the set of proto/ from standard input,
// adds the files of the status details (google/rpc/error_details.proto and
// google/rpc/status.proto, with their imports), and writes the result to standard output.
// Any protobuf compiler accepts it instead of .proto files:
//
//	protoc --descriptor_set_in=symdb.v1.binpb --python_out=. symdb/v1/scope.proto
//
// `make protos` runs it. The descriptors come from the Go module that the server uses for
// its details, so no copy of those files is kept here.
package main

import (
	"fmt"
	"io"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "protoset: %v\n", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	raw, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read descriptor set: %w", err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(raw, set); err != nil {
		return fmt.Errorf("read descriptor set: %w", err)
	}
	c := completion{set: set, has: make(map[string]bool)}
	for _, file := range set.GetFile() {
		c.has[file.GetName()] = true
	}
	c.add((*errdetails.ErrorInfo)(nil).ProtoReflect().Descriptor().ParentFile())
	c.add((*status.Status)(nil).ProtoReflect().Descriptor().ParentFile())
	// A missing import must fail here, not for a user.
	if _, err := protodesc.NewFiles(set); err != nil {
		return fmt.Errorf("check descriptor set: %w", err)
	}
	raw, err = proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return fmt.Errorf("write descriptor set: %w", err)
	}
	_, err = out.Write(raw)
	return err
}

// completion is a growing descriptor set, with each file after its imports.
type completion struct {
	set *descriptorpb.FileDescriptorSet
	has map[string]bool
}

func (c *completion) add(file protoreflect.FileDescriptor) {
	if c.has[file.Path()] {
		return
	}
	c.has[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		c.add(imports.Get(i).FileDescriptor)
	}
	c.set.File = append(c.set.File, protodesc.ToFileDescriptorProto(file))
}
