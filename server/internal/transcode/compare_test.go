package transcode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// compare holds the transcoder against protobuf's own decoder and encoding/json.
// Both refuse the wire bytes, or both write the same; where only the transcoder
// refuses them, its reason is one that protobuf does not know, and is true.
func compare(tb testing.TB, wire []byte) {
	tb.Helper()
	scope := &symdbv1.Scope{}
	decodeErr := proto.Unmarshal(wire, scope)
	checked, err := plan.Check(wire, maxDepth)
	if err != nil {
		explain(tb, wire, scope, decodeErr, err)
		return
	}
	if decodeErr != nil {
		tb.Fatalf("accepted what protobuf refuses: %v\n%x", decodeErr, wire)
	}
	want, err := transcodetest.JSON(scope)
	if err != nil {
		tb.Fatalf("reference: %v\n%x", err, wire)
	}
	got := new(transcodetest.Recorder).Append(checked, nil)
	if !bytes.Equal(got, want) {
		tb.Fatalf("got  %s\nwant %s\n%x", got, want, wire)
	}
	if got := new(transcodetest.Recorder).Append(checked.WithoutNotes(), nil); !bytes.Equal(got, want) {
		tb.Fatalf("without notes: got %s\nwant %s\n%x", got, want, wire)
	}
	checked.Release()
	// Whatever lies behind the wire bytes in memory, or nothing.
	for _, behind := range []string{"", `""""""""`} {
		among := slices.Clip(append(append(make([]byte, 0, len(wire)+len(behind)), wire...), behind...))[:len(wire)]
		checked, err := plan.Check(among, maxDepth)
		if err != nil {
			tb.Fatalf("before %q: %v", behind, err)
		}
		if again := new(transcodetest.Recorder).Append(checked, nil); !bytes.Equal(again, want) {
			tb.Fatalf("before %q: got %s\nwant %s\n%x", behind, again, want, wire)
		}
	}
	if !json.Valid(got) {
		tb.Fatalf("no JSON: %s\n%x", got, wire)
	}
}

// explain fails the test unless the error is right.
func explain(tb testing.TB, wire []byte, scope *symdbv1.Scope, decodeErr, err error) {
	tb.Helper()
	refusal, ok := errors.AsType[*transcode.Error](err)
	if !ok {
		tb.Fatalf("error of type %T, want a refusal", err)
	}
	// What a map entry or a kind of value said is lost in the struct where a
	// later one took its place.
	lost := strings.Contains(refusal.Field, "additional")
	right := false
	switch refusal.Fault {
	case transcode.Malformed, transcode.InvalidUTF8:
		right = decodeErr != nil
	case transcode.Missing:
		right = lost || decodeErr != nil || incomplete(scope)
	case transcode.TooDeep:
		right = lost || decodeErr != nil || depth(scope) >= maxDepth-2
	case transcode.Repeated:
		right = lost || strings.HasSuffix(refusal.Field, "language_specifics")
	case transcode.NotANumber, transcode.TooMany:
		right = lost
	}
	if !right {
		tb.Fatalf("refused: %v, want the same of protobuf: %v\n%x", err, decodeErr, wire)
	}
}

// incomplete tells whether a scope lacks something that must be set.
func incomplete(s *symdbv1.Scope) bool {
	if s.GetScopeType() == "" {
		return true
	}
	for _, symbol := range s.GetSymbols() {
		if symbol.Name == nil || symbol.GetSymbolType() == "" {
			return true
		}
	}
	return slices.ContainsFunc(s.GetScopes(), incomplete)
}

// depth returns how deep scopes are nested.
func depth(s *symdbv1.Scope) int {
	deepest := 0
	for _, child := range s.GetScopes() {
		deepest = max(deepest, depth(child))
	}
	return deepest + 1
}
