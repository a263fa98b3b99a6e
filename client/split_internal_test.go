package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestSplitProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root := drawScope(t, rapid.IntRange(0, 3).Draw(t, "depth"))
		nameUniquely(root)
		maxBytes := rapid.IntRange(1, min(max(2, proto.Size(root)+8), 1500)).Draw(t, "maxBytes")
		checkSplit(t, root, maxBytes)
	})
}

func FuzzSplit(f *testing.F) {
	small := &symdbv1.Scope{ScopeType: "package", Name: new("p"), Symbols: []*symdbv1.Symbol{{SymbolType: "field"}}}
	for i := range 40 {
		inner := &symdbv1.Scope{ScopeType: "method", Name: new("m"), EndLine: int32(i)}
		small.Scopes = append(small.Scopes, &symdbv1.Scope{ScopeType: "struct", Scopes: []*symdbv1.Scope{inner, inner}})
	}
	for _, seed := range []*symdbv1.Scope{{}, chain(5, 3), small} {
		wire, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, uint16(128))
		f.Add(wire, uint16(40))
	}
	f.Add([]byte{0x52, 0x00, 0x52, 0x00, 0x52, 0x00}, uint16(8))                  // children without content
	f.Add([]byte{0x0a, 0x01, 'p', 0xa2, 0x06, 0x01, 'u', 0x52, 0x00}, uint16(11)) // an unknown field
	f.Fuzz(func(t *testing.T, wire []byte, maxBytes uint16) {
		root := &symdbv1.Scope{}
		shallow := proto.UnmarshalOptions{RecursionLimit: 64}
		if len(wire) > 1<<14 || shallow.Unmarshal(wire, root) != nil {
			t.Skip()
		}
		nameUniquely(root)
		checkSplit(t, root, int(maxBytes))
	})
}

// chain is a root with depth levels below it, each of width scopes. The first scope of a
// level has the next level inside.
func chain(depth, width int) *symdbv1.Scope {
	s := &symdbv1.Scope{ScopeType: "local", Name: new("s"), EndLine: int32(depth)}
	if depth > 0 {
		for i := range width {
			s.Scopes = append(s.Scopes, chain((depth-1)*max(0, 1-i), width))
		}
	}
	return s
}

func drawScope(t *rapid.T, depth int) *symdbv1.Scope {
	s := &symdbv1.Scope{
		ScopeType: rapid.SampledFrom([]string{"", "package", "JAR", "method"}).Draw(t, "type"),
		StartLine: rapid.Int32Range(-1, 300).Draw(t, "start"),
	}
	if rapid.Bool().Draw(t, "file") {
		s.SourceFile = new(drawText(t))
	}
	if rapid.Bool().Draw(t, "specifics") {
		s.LanguageSpecifics = &symdbv1.LanguageSpecifics{
			Annotations: []string{drawText(t), drawText(t)},
			Additional:  map[string]*structpb.Value{"a": structpb.NewNumberValue(1), "b": structpb.NewNullValue()},
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "lines") {
		s.InjectibleLines = append(s.InjectibleLines, &symdbv1.LineRange{Start: 1, End: 200})
	}
	for range rapid.IntRange(0, 3).Draw(t, "symbols") {
		s.Symbols = append(s.Symbols, &symdbv1.Symbol{Name: new(drawText(t))})
	}
	if depth > 0 {
		for range rapid.IntRange(0, 5).Draw(t, "scopes") {
			s.Scopes = append(s.Scopes, drawScope(t, depth-1))
		}
	}
	return s
}

// drawText draws a text; only its length matters.
func drawText(t *rapid.T) string {
	return strings.Repeat("x", rapid.IntRange(0, 140).Draw(t, "length"))
}

// nameUniquely names siblings apart, as merging by type and name requires.
func nameUniquely(s *symdbv1.Scope) {
	for i, child := range s.GetScopes() {
		child.Name = new(fmt.Sprint(i))
		nameUniquely(child)
	}
}

func checkSplit(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, root *symdbv1.Scope, maxBytes int,
) {
	t.Helper()
	before := proto.CloneOf(root)
	needed := neededBytes(root, nil)
	var merged *symdbv1.Scope
	var parts []*symdbv1.Scope
	for part, err := range split(root, maxBytes) {
		if err != nil {
			tooLarge, ok := errors.AsType[*ScopeTooLargeError](err)
			if !ok || needed <= maxBytes || tooLarge.Bytes <= maxBytes || tooLarge.Bytes > needed {
				t.Fatalf("limit %d, needed %d: %v, want more than the limit, and what is needed at most", maxBytes, needed, err)
			}
			return
		}
		if size := proto.Size(scopeRequest(part)); size > maxBytes {
			t.Fatalf("part %d has %d bytes, limit %d, want at most %v", len(parts), size, maxBytes, maxBytes)
		}
		parts = append(parts, part)
		copied := proto.CloneOf(part)
		if merged == nil {
			merged = copied
		} else if err := merge(merged, copied); err != nil {
			t.Fatalf("part %d: %v", len(parts)-1, err)
		}
	}
	switch {
	case needed > maxBytes:
		t.Fatalf("limit %d, needed %d: no error", maxBytes, needed)
	case !proto.Equal(merged, before):
		t.Fatalf("parts merge to %v, want %v", merged, before)
	case !proto.Equal(root, before):
		t.Fatalf("scope changed to %v, want %v", root, before)
	}
	again := 0
	for part, err := range split(root, maxBytes) {
		if err != nil || !proto.Equal(part, parts[again]) {
			t.Fatalf("part %d differs the second time", again)
		}
		again++
	}
}

// neededBytes returns the smallest limit under which s can be sent: the size of the largest
// request with one scope below s, without its children, inside copies of the scopes around
// it. The last of around is the parent of s.
func neededBytes(s *symdbv1.Scope, around []*symdbv1.Scope) int {
	own := copyOwn(s)
	alone := copyOwn(s)
	alone.Symbols = s.GetSymbols()
	for _, outer := range slices.Backward(around) {
		outer.Scopes = []*symdbv1.Scope{alone}
		alone = outer
	}
	needed := proto.Size(scopeRequest(alone))
	for _, child := range s.GetScopes() {
		needed = max(needed, neededBytes(child, append(around, own)))
	}
	return needed
}

// merge adds the content of a further part to s. Their own fields must be equal.
func merge(s, part *symdbv1.Scope) error {
	if a, b := copyOwn(s), copyOwn(part); !proto.Equal(a, b) {
		return fmt.Errorf("own fields %v differ from %v", b, a)
	}
	s.Symbols = append(s.Symbols, part.GetSymbols()...)
	for _, child := range part.GetScopes() {
		merged := false
		for _, known := range s.GetScopes() {
			if known.GetScopeType() == child.GetScopeType() && known.GetName() == child.GetName() {
				if err := merge(known, child); err != nil {
					return err
				}
				merged = true
			}
		}
		if !merged {
			s.Scopes = append(s.Scopes, child)
		}
	}
	return nil
}

// TestSplitFillsParts: a part ends only before a scope that does not fit, to the byte.
func TestSplitFillsParts(t *testing.T) {
	t.Parallel()
	root := chain(1, 1000)
	exact := proto.Size(scopeRequest(root))
	for _, test := range []struct{ maxBytes, parts int }{{exact, 1}, {exact - 1, 2}, {exact/2 + 20, 2}, {exact / 2, 3}} {
		parts := 0
		for _, err := range split(root, test.maxBytes) {
			if err != nil {
				t.Fatal(err)
			}
			parts++
		}
		if parts != test.parts {
			t.Errorf("limit %d: %d parts, want %d", test.maxBytes, parts, test.parts)
		}
	}
}

func TestSplitSharesChildren(t *testing.T) {
	t.Parallel()
	root := chain(1, 100)
	seen := 0
	for part, err := range split(root, 200) {
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range part.GetScopes() {
			if child != root.GetScopes()[seen] {
				t.Fatalf("child %d was copied or moved", seen)
			}
			seen++
		}
		if seen > 50 {
			break
		}
	}
}

func TestDefaultCredentials(t *testing.T) {
	t.Parallel()
	for want, targets := range map[string][]string{
		"insecure": {"localhost:7777", "unix:///run/scopegate.sock"},
		"tls":      {"localhost:7777", "scopegate:7777"},
	} {
		if got := defaultCredentials(targets...).Info().SecurityProtocol; got != want {
			t.Errorf("%q: %s, want %s", targets, got, want)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	for _, depth := range []int{1, 64} {
		root := chain(depth, 40_000/depth)
		size := proto.Size(root)
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range split(root, 32<<10) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
