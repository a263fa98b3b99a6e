package transcode_test

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// stdout is a sink that prints what it gets.
type stdout struct{}

func (stdout) Drain(json []byte) []byte {
	_, _ = os.Stdout.Write(json)
	return make([]byte, 0, 4*transcode.Room)
}

func (stdout) Marks() []uint64 { return nil }

func ExampleCompile() {
	plan, err := transcode.Compile((&symdbv1.Scope{}).ProtoReflect().Descriptor(), transcode.Rules{
		Null:     []protoreflect.FullName{"symdb.v1.Symbol.type"},
		Required: []protoreflect.FullName{"symdb.v1.Symbol.name"},
	})
	if err != nil {
		panic(err)
	}
	wire, err := proto.Marshal(&symdbv1.Scope{
		ScopeType: "MODULE",
		Symbols:   []*symdbv1.Symbol{{Name: new("x"), SymbolType: "LOCAL"}},
	})
	if err != nil {
		panic(err)
	}
	scope, err := plan.Check(wire, 64)
	if err != nil {
		panic(err)
	}
	stdout{}.Drain(scope.AppendTo(nil, stdout{}))

	_, err = plan.Check(nil, 64)
	fmt.Printf("\n%v\n", err)
	// Output:
	// {"scope_type":"MODULE","start_line":0,"end_line":0,"symbols":[{"name":"x","type":null,"symbol_type":"LOCAL"}]}
	// scope_type: required
}

func ExampleAppendString() {
	fmt.Printf("%s\n", transcode.AppendString([]byte(`{"service":`), "a\"b\n"))
	// Output: {"service":"a\"b\n"
}
