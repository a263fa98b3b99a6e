package batch_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

// noise returns n letters that hardly compress, others for each seed.
func noise(n int, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 0))
	return text(rng, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-", n)
}

func text(rng *rand.Rand, alphabet string, n int) string {
	runes := []rune(alphabet)
	var out strings.Builder
	for range n {
		out.WriteRune(runes[rng.IntN(len(runes))])
	}
	return out.String()
}

// forest makes scope trees whose scopes all have different start lines.
type forest struct {
	rng      *rand.Rand
	scopes   int // still to be made
	line     int32
	fanout   int
	maxName  int
	alphabet string
}

func (f *forest) scope(depth int) *symdbv1.Scope {
	f.line++
	f.scopes--
	s := &symdbv1.Scope{ScopeType: "t" + strconv.Itoa(depth), StartLine: f.line}
	if f.rng.IntN(5) > 0 {
		s.Name = new(text(f.rng, f.alphabet, f.rng.IntN(f.maxName)))
	}
	for range f.rng.IntN(3) {
		s.Symbols = append(s.Symbols, &symdbv1.Symbol{
			Name: new(text(f.rng, f.alphabet, f.rng.IntN(10))), SymbolType: "local",
		})
	}
	for range f.rng.IntN(f.fanout + 1) {
		if depth < 6 && f.scopes > 0 {
			s.Scopes = append(s.Scopes, f.scope(depth+1))
		}
	}
	return s
}

const (
	plain   = "abcdefghijklmnopqrstuvwxyz"
	hostile = "ab\"\\/{}[]:,\x00\n\x1fé\u2028😀"
)

// roots generates the root scopes of a batch: few large ones, or many small
// ones, or scopes with all that a scope can have.
func roots() *rapid.Generator[[]*symdbv1.Scope] {
	return rapid.Custom(func(t *rapid.T) []*symdbv1.Scope {
		f := &forest{
			rng:      rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)),
			scopes:   rapid.SampledFrom([]int{1, 5, 40, 150}).Draw(t, "scopes"),
			fanout:   rapid.SampledFrom([]int{0, 1, 4, 40}).Draw(t, "fanout"),
			maxName:  rapid.SampledFrom([]int{1, 20, 400}).Draw(t, "name"),
			alphabet: rapid.SampledFrom([]string{plain, hostile}).Draw(t, "alphabet"),
		}
		var out []*symdbv1.Scope
		if rapid.IntRange(0, 3).Draw(t, "any fields") == 0 {
			out = rapid.SliceOfN(transcodetest.Scopes(), 1, 4).Draw(t, "roots")
			for _, s := range out {
				f.number(s)
			}
		}
		for f.scopes > 0 {
			out = append(out, f.scope(0))
		}
		return out
	})
}

func (f *forest) number(s *symdbv1.Scope) {
	f.line++
	s.StartLine = f.line
	for _, child := range s.GetScopes() {
		f.number(child)
	}
}

// assembled makes one batch of scopes.
func assembled(t *rapid.T, pool *encode.Pool, scopes []*symdbv1.Scope, num int32, final bool) *batch.Batch {
	a := batch.NewAssembler(splitHeader, batch.Policy{FlushThresholdBytes: 1 << 30}, pool, nil)
	for _, s := range scopes {
		a.Add(checkedAs(t, s))
	}
	return a.Seal().Number(num, final)
}

// Whatever the scopes and the limits: the parts are within them and merge to
// what there was, or there is a scope that no part can hold. The same is true of
// the parts' parts.
func TestSplitAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pool := pools[rapid.IntRange(0, len(pools)-1).Draw(t, "pool")]
		scopes := roots().Draw(t, "roots")
		final := rapid.Bool().Draw(t, "final")
		whole := assembled(t, pool, scopes, 5, final)
		limits := limitsFor(whole).Draw(t, "limits")
		firstNum := rapid.Int32Range(1, math.MaxInt32/2)
		parts := split(t, pool, whole, firstNum.Draw(t, "first number"), limits)
		if len(parts) == 0 {
			return
		}
		part := rapid.SampledFrom(parts).Draw(t, "part").Number(3, final)
		split(t, pool, part, firstNum.Draw(t, "first number"), limitsFor(part).Draw(t, "limits of the part"))
	})
}

func limitsFor(whole *batch.Batch) *rapid.Generator[batch.Limits] {
	return rapid.Custom(func(t *rapid.T) batch.Limits {
		parts := rapid.SampledFrom([]int{1, 2, 3, 10, 40}).Draw(t, "parts")
		limits := batch.Limits{CompressedBytes: max(100, rapid.IntRange(80, 120).Draw(t, "percent")*whole.File.Len()/100/parts)}
		rawBytes := int64(rapid.IntRange(200, int(whole.RawBytes)+200).Draw(t, "raw bytes"))
		switch rapid.IntRange(0, 2).Draw(t, "kinds") {
		case 0:
			limits.RawBytes = rawBytes
		case 1:
			limits = batch.Limits{RawBytes: rawBytes}
		}
		return limits
	})
}

func split(t *rapid.T, pool *encode.Pool, whole *batch.Batch, firstNum int32, limits batch.Limits) []*batch.Sealed {
	parts, err := whole.Split(pool, limits)
	if unsplittable, ok := errors.AsType[*batch.UnsplittableError](err); ok {
		checkUnsplittable(t, whole, unsplittable)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := checkParts(whole, parts, firstNum, limits); err != nil {
		t.Fatal(err)
	}
	return parts
}

// checkUnsplittable fails unless there is a scope by the index and the names that the error
// says, which alone makes too large a batch.
func checkUnsplittable(t *rapid.T, whole *batch.Batch, err *batch.UnsplittableError) {
	text, readErr := scopesOf(whole)
	if readErr != nil {
		t.Fatal(readErr)
	}
	scopes, readErr := parse([]byte("[" + text + "]"))
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err.Index < 0 || err.Index >= int64(len(scopes)) {
		t.Fatalf("index %d of %d roots", err.Index, len(scopes))
	}
	scopes = scopes[err.Index : err.Index+1]
	// Sizes are estimated with bounds, and the keys of each level may be compressed
	// by themselves to look at them.
	slack := 100 + 40*len(err.Path)
	for alone := range paths(scopes, err.Path) {
		b := sealed(alone, 1).Number(math.MaxInt32, false)
		if err.Limits.RawBytes > 0 && b.RawBytes+int64(slack) > err.Limits.RawBytes ||
			err.Limits.CompressedBytes > 0 && b.File.Len()+slack > err.Limits.CompressedBytes {
			return
		}
	}
	t.Fatalf("no scope that is called so is too large: %v", err)
}

// paths yields the JSON, roughly, of the scopes with the path given: their own
// keys and symbols, within the own keys of those around them.
func paths(scopes []*node, path []batch.ScopeName) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for n := range slices.Values(scopes) {
			if !sameName(n.name.ScopeType, path[0].ScopeType) || !sameName(n.name.Name, path[0].Name) {
				continue
			}
			own := strings.TrimSuffix(n.own, "}")
			if len(path) == 1 {
				for _, symbol := range n.symbols {
					own += string(symbol)
				}
				if !yield(own + "}") {
					return
				}
				continue
			}
			for inner := range paths(n.scopes, path[1:]) {
				if !yield(own + `,"scopes":[` + inner + "]}") {
					return
				}
			}
		}
	}
}

func sameName(full, said string) bool {
	said, cut := strings.CutSuffix(said, "…")
	return full == said || cut && strings.HasPrefix(full, said)
}
