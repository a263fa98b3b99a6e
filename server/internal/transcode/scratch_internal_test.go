package transcode

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// roomy is a sink that is never asked.
type roomy struct{}

func (roomy) Drain([]byte) []byte { return nil }

func (roomy) Marks() []uint64 { return nil }

// The scratch space of a map and of a message is free again behind it, and given back it points
// at nothing of the scope.
//
//nolint:paralleltest // looks at what others may borrow
func TestScratchIsFreed(t *testing.T) {
	plan, err := Compile((*symdbv1.Scope)(nil).ProtoReflect().Descriptor(), Rules{})
	if err != nil {
		t.Fatal(err)
	}
	nested, err := structpb.NewStruct(map[string]any{"a": map[string]any{"b": 1.0, "c": 2.0}, "d": []any{map[string]any{"e": true}}})
	if err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(&symdbv1.Scope{ScopeType: "s", LanguageSpecifics: &symdbv1.LanguageSpecifics{
		Additional: map[string]*structpb.Value{"k": structpb.NewStructValue(nested), "l": structpb.NewBoolValue(true)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	checked, err := plan.Check(wire, 64)
	if err != nil {
		t.Fatal(err)
	}
	if checked.anyOrder {
		t.Error("a map of several keys, as encoders write it, is not taken as in order")
	}
	w := writer{sink: roomy{}}
	w.message(make([]byte, 0, 64<<10), checked.root, checked.wire)
	entries := w.scratch.entries
	if len(entries) != 0 || cap(entries) == 0 {
		t.Errorf("scratch has %d entries of %d in use, want none of some", len(entries), cap(entries))
	}
	before := entries[:cap(entries)]
	w.anyOrder, w.searches = true, true
	w.message(make([]byte, 0, 64<<10), checked.root, checked.wire)
	if words := w.notes; len(words) != 0 || cap(words) == 0 {
		t.Errorf("scratch has %d words of %d in use, want none of some", len(words), cap(words))
	}
	w.release()
	for _, e := range before {
		if e.key != nil || e.value != nil {
			t.Fatalf("scratch still points at %q", e.key)
		}
	}
}
