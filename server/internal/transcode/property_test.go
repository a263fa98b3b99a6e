package transcode_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

var scopeDescriptor = (*symdbv1.Scope)(nil).ProtoReflect().Descriptor()

// Whatever the scope, however it is written as protobuf, and however the sink
// makes room: the JSON is the one that encoding/json writes.
func TestGeneratedScopes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		scope := transcodetest.Scopes().Draw(t, "scope")
		want, err := transcodetest.JSON(scope)
		if err != nil {
			t.Fatal(err)
		}
		wire, err := proto.Marshal(scope)
		if err != nil {
			t.Fatal(err)
		}
		seed := rapid.Uint64().Draw(t, "seed")
		rng := rand.New(rand.NewPCG(seed, 0))
		forms := map[string][]byte{
			"as encoded": wire,
			"shuffled":   transcodetest.Shuffle(rng, scopeDescriptor, wire),
			"reordered":  transcodetest.Reorder(rng, scopeDescriptor, wire, false),
			"torn":       transcodetest.Reorder(rng, scopeDescriptor, wire, true),
		}
		for name, wire := range forms {
			checked, err := plan.Check(wire, maxDepth)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for policy, recorder := range recorders(rng) {
				if name != "as encoded" && policy != "as it comes" {
					continue
				}
				dst := make([]byte, 0, rng.IntN(3*transcode.Room))
				if got := recorder.Append(checked, dst); !bytes.Equal(got, want) {
					t.Fatalf("%s, %s:\ngot  %s\nwant %s", name, policy, got, want)
				}
				if got, want := recorder.Marked(), valueBorders(want); !slices.Equal(got, want) {
					t.Fatalf("%s, %s: marks %d, want %d", name, policy, got, want)
				}
			}
			if got := new(transcodetest.Recorder).Append(checked.WithoutNotes(), nil); !bytes.Equal(got, want) {
				t.Fatalf("%s, without notes:\ngot  %s\nwant %s", name, got, want)
			}
			checked.Release()
		}
	})
}

// valueBorders returns where texts that are no keys begin and end, and where numbers end.
func valueBorders(json []byte) (borders []int) {
	for i := 0; i < len(json); i++ {
		switch c := json[i]; {
		case c == '"':
			begin := i + 1
			for i++; json[i] != '"'; i++ {
				if json[i] == '\\' {
					i++
				}
			}
			switch {
			case json[i+1] == ':':
			case begin == i:
				borders = append(borders, begin)
			default:
				borders = append(borders, begin, i)
			}
		case '0' <= c && c <= '9' && !bytes.ContainsRune([]byte("0123456789.e+-"), rune(json[i+1])):
			borders = append(borders, i+1)
		}
	}
	return borders
}

// recorders are sinks with each policy that a sink can have.
func recorders(rng *rand.Rand) map[string]*transcodetest.Recorder {
	return map[string]*transcodetest.Recorder{
		"drain, the least room": {},
		"grow, the least room":  {Policy: func() (bool, int) { return true, 0 }},
		"drain, a large room":   {Policy: func() (bool, int) { return false, 64 << 10 }},
		"as it comes":           {Policy: func() (bool, int) { return rng.IntN(2) == 0, rng.IntN(2000) }},
	}
}

// Shuffle means the same to protobuf, or the test above would prove nothing.
func TestShuffleKeepsMeaning(t *testing.T) {
	t.Parallel()
	changed := 0
	for seed := range uint64(10) {
		for _, name := range goldenNames(t) {
			scope := readScope(t, name)
			wire := marshaled(t, scope)
			shuffled := transcodetest.Shuffle(rand.New(rand.NewPCG(seed, 1)), scopeDescriptor, wire)
			if !bytes.Equal(wire, shuffled) {
				changed++
			}
			back := &symdbv1.Scope{}
			if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(shuffled, back); err != nil || !proto.Equal(back, scope) {
				t.Fatalf("%s: error %v, or another scope:\n%v", name, err, back)
			}
			if got, want := transcoded(t, shuffled), transcoded(t, wire); !bytes.Equal(got, want) {
				t.Fatalf("%s:\ngot  %s\nwant %s", name, got, want)
			}
		}
	}
	if changed < 60 {
		t.Errorf("only %d of 70 were changed", changed)
	}
}

// Every capacity that the first buffer can have, up to more than what is written.
func TestAnyCapacity(t *testing.T) {
	t.Parallel()
	wire := marshaled(t, readScope(t, "additional"))
	want := transcoded(t, wire)
	checked, err := plan.Check(wire, maxDepth)
	if err != nil {
		t.Fatal(err)
	}
	for capacity := range len(want) + transcode.Room + 10 {
		recorder := new(transcodetest.Recorder)
		if got := recorder.Append(checked, make([]byte, 0, capacity)); !bytes.Equal(got, want) {
			t.Fatalf("capacity %d: got %s, want %s", capacity, got, want)
		}
	}
}

// What stands in dst already is kept in front.
func TestAppendsBehind(t *testing.T) {
	t.Parallel()
	checked, err := plan.Check(text(1, "s"), maxDepth)
	if err != nil {
		t.Fatal(err)
	}
	got := new(transcodetest.Recorder).Append(checked, append(make([]byte, 0, 2*transcode.Room), `{"scopes":[`...))
	if want := `{"scopes":[{"scope_type":"s","start_line":0,"end_line":0}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// One plan and one scope, used by many at once.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	wire := marshaled(t, readScope(t, "additional"))
	want := transcoded(t, wire)
	checked, err := plan.Check(wire, maxDepth)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	for range 8 {
		go func() {
			same := true
			for range 50 {
				same = same && bytes.Equal(new(transcodetest.Recorder).Append(checked, nil), want)
			}
			done <- same
		}()
	}
	for range 8 {
		if !<-done {
			t.Error("another result")
		}
	}
}
