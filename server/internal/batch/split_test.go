package batch_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

func TestSplitByHand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		scopes string
		count  int64
		// room is how much JSON of scopes a part can hold.
		room   int64
		want   []string
		counts []int64
	}{
		"fits": {
			scopes: `{"scope_type":"a"},{"scope_type":"b"}`,
			count:  2,
			room:   500,
			want:   []string{`{"scope_type":"a"},{"scope_type":"b"}`},
			counts: []int64{2},
		},
		"between roots": {
			scopes: `{"scope_type":"a"},{"scope_type":"b"},{"scope_type":"c"},{"scope_type":"d"}`,
			count:  4,
			room:   75,
			want:   []string{`{"scope_type":"a"},{"scope_type":"b"},{"scope_type":"c"}`, `{"scope_type":"d"}`},
			counts: []int64{3, 1},
		},
		"a part, the last root of which goes on elsewhere": {
			scopes: `{"scope_type":"a"},{"scope_type":"b"},{"scope_type":"c"}`,
			count:  2,
			room:   37,
			want:   []string{`{"scope_type":"a"}`, `{"scope_type":"b"}`, `{"scope_type":"c"}`},
			counts: []int64{1, 1, 0},
		},
		"a root that is too large between two that are not": {
			scopes: `{"scope_type":"a"},` +
				`{"scope_type":"p","name":"x","symbols":[{"name":"0123456789012345678901234567"}],"scopes":[{"scope_type":"f"},{"scope_type":"g"}]},` +
				`{"scope_type":"b"}`,
			count: 3,
			room:  96,
			want: []string{
				`{"scope_type":"a"}`,
				`{"scope_type":"p","name":"x","symbols":[{"name":"0123456789012345678901234567"}]}`,
				`{"scope_type":"p","name":"x","scopes":[{"scope_type":"f"},{"scope_type":"g"}]}`,
				`{"scope_type":"b"}`,
			},
			counts: []int64{1, 0, 1, 1},
		},
		"what follows a divided root goes where that ends": {
			scopes: `{"scope_type":"p","scopes":[{"scope_type":"f","name":"0123456789"},{"scope_type":"g"}]},{"scope_type":"b"}`,
			count:  2,
			room:   86,
			want: []string{
				`{"scope_type":"p","scopes":[{"scope_type":"f","name":"0123456789"}]}`,
				`{"scope_type":"p","scopes":[{"scope_type":"g"}]},{"scope_type":"b"}`,
			},
			counts: []int64{0, 2},
		},
		"two levels": {
			scopes: `{"scope_type":"p","scopes":[{"scope_type":"c","start_line":1,"scopes":[` +
				`{"scope_type":"m","name":"0123456789"},{"scope_type":"n","name":"0123456789"}]},{"scope_type":"d"}]}`,
			count: 1,
			room:  115,
			want: []string{
				`{"scope_type":"p","scopes":[{"scope_type":"c","start_line":1,"scopes":[{"scope_type":"m","name":"0123456789"}]}]}`,
				`{"scope_type":"p","scopes":[{"scope_type":"c","start_line":1,"scopes":[{"scope_type":"n","name":"0123456789"}]}]}`,
				`{"scope_type":"p","scopes":[{"scope_type":"d"}]}`,
			},
			counts: []int64{0, 0, 1},
		},
		"names that look like JSON": {
			scopes: `{"scope_type":"p","name":"\",\"scopes\":[{","language_specifics":{"scopes":["]}"],"symbols":{}},` +
				`"scopes":[{"scope_type":"}]}\\"},{"scope_type":"{\\\""}]}`,
			count: 1,
			room:  140,
			want: []string{
				`{"scope_type":"p","name":"\",\"scopes\":[{","language_specifics":{"scopes":["]}"],"symbols":{}},` +
					`"scopes":[{"scope_type":"}]}\\"}]}`,
				`{"scope_type":"p","name":"\",\"scopes\":[{","language_specifics":{"scopes":["]}"],"symbols":{}},` +
					`"scopes":[{"scope_type":"{\\\""}]}`,
			},
			counts: []int64{0, 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := sealed(3, test.scopes, test.count, true)
			limits := batch.Limits{RawBytes: int64(len(opening(7))+len(closing(false))) + test.room}
			parts, err := whole.Split(pools[0], 7, limits)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var counts []int64
			for _, part := range parts {
				scopes, err := scopesOf(part)
				if err != nil {
					t.Fatal(err)
				}
				got, counts = append(got, scopes), append(counts, part.ScopeCount)
			}
			if !slices.Equal(got, test.want) || !slices.Equal(counts, test.counts) {
				t.Errorf("got  %v\n%s\nwant %v\n%s", counts, strings.Join(got, "\n"), test.counts, strings.Join(test.want, "\n"))
			}
			if err := checkParts(whole, parts, 7, true, limits); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnsplittable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 150)
	root := batch.ScopeName{ScopeType: "p", Name: "root"}
	tests := map[string]struct {
		scopes string
		limits batch.Limits
		want   []batch.ScopeName
		text   string
	}{
		"a root without children": {
			scopes: `{"scope_type":"a"},{"scope_type":"p","name":"root","source_file":"` + long + `"}`,
			limits: batch.Limits{RawBytes: 200},
			want:   []batch.ScopeName{root},
			text:   `split batch 3: scope p "root": can't be split to fit into 200 bytes of JSON`,
		},
		"own keys": {
			scopes: `{"scope_type":"p","name":"root","source_file":"` + long + `","scopes":[{"scope_type":"a"}]}`,
			limits: batch.Limits{RawBytes: 200},
			want:   []batch.ScopeName{root},
		},
		"own symbols, with children": {
			scopes: `{"scope_type":"p","name":"root","symbols":["` + long + `"],"scopes":[{"scope_type":"a"}]}`,
			limits: batch.Limits{RawBytes: 200},
			want:   []batch.ScopeName{root},
		},
		"own symbols, without": {
			scopes: `{"scope_type":"p","name":"root","symbols":["` + long + `"]}`,
			limits: batch.Limits{RawBytes: 200},
			want:   []batch.ScopeName{root},
		},
		"a child": {
			scopes: `{"scope_type":"p","name":"root","scopes":[{"scope_type":"a"},{"scope_type":"f","name":"` + long + `"}]}`,
			limits: batch.Limits{RawBytes: 300, CompressedBytes: 10000},
			want:   []batch.ScopeName{root, {ScopeType: "f", Name: long[:256] + "…"}},
			text: `split batch 3: scope p "root" > f "` + long[:256] + `…": ` +
				`can't be split to fit into 10000 bytes compressed into 300 bytes of JSON`,
		},
		"a scope without a name": {
			scopes: `{"scope_type":"p","name":"root","scopes":[{"scope_type":"local","source_file":"` + long + `"}]}`,
			limits: batch.Limits{RawBytes: 200},
			want:   []batch.ScopeName{root, {ScopeType: "local"}},
		},
		"nothing fits": {
			scopes: `{"scope_type":"p","name":"root"}`,
			limits: batch.Limits{CompressedBytes: 1},
			want:   []batch.ScopeName{root},
		},
		"own keys that are too long to be repeated": {
			scopes: `{"scope_type":"p","name":"root","source_file":"` + strings.Repeat("x", 256<<10) + `","scopes":[` +
				`{"scope_type":"f","name":"` + noise(40_000, 1) + `"},{"scope_type":"g","name":"` + noise(40_000, 2) + `"}]}`,
			limits: batch.Limits{CompressedBytes: 50_000},
			want:   []batch.ScopeName{root},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parts, err := sealed(3, test.scopes, 1, true).Split(pools[0], 3, test.limits)
			unsplittable, ok := errors.AsType[*batch.UnsplittableError](err)
			if !ok || parts != nil {
				t.Fatalf("%d parts, error %v", len(parts), err)
			}
			if !slices.Equal(unsplittable.Path, test.want) || unsplittable.Limits != test.limits {
				t.Errorf("got %+v", unsplittable)
			}
			if test.text != "" && err.Error() != test.text {
				t.Errorf("got  %s\nwant %s", err, test.text)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	large := `"symbols":["` + strings.Repeat("x", 100) + `"]`
	tests := map[string]string{
		"no scope":               ``,
		"no list":                `]`,
		"a number":               `1`,
		"a comma in front":       `,{}`,
		"a comma behind":         `{"scope_type":"a"},`,
		"no comma":               `{"scope_type":"a"}{"scope_type":"a"}`,
		"white space":            `{"scope_type":"a"}, {"scope_type":"a"}`,
		"brackets crossed":       `{"scope_type":["a"}]`,
		"not closed":             `{"scope_type":"a"`,
		"a string not closed":    `{"scope_type":"a`,
		"an escape at the end":   `{"scope_type":"a\`,
		"closed early":           `{"scope_type":"a"}],"final":true}`,
		"nested too deep":        `{"scope_type":` + strings.Repeat("[", 5000),
		"another count":          `{"scope_type":"a"},{"scope_type":"a"},{"scope_type":"a"}`,
		"no scope type":          `{"name":"a",` + large + `}`,
		"empty, and large":       `{` + strings.Repeat(" ", 100) + `}`,
		"no key":                 `{"scope_type":"a",1:2,` + large + `}`,
		"no colon":               `{"scope_type":"a","name",` + large + `}`,
		"no value":               `{"scope_type":"a","name":,` + large + `}`,
		"no comma in a scope":    `{"scope_type":"a""b":1,` + large + `}`,
		"no children":            `{"scope_type":"a","name":"` + strings.Repeat("x", 50) + `","scopes":[],"x":[` + strings.Repeat("1,", 50) + `1]}`,
		"symbols behind scopes":  `{"scope_type":"a","scopes":[{"scope_type":"b"}],` + large + `}`,
		"other keys behind both": `{"scope_type":"a","symbols":[],"x":[` + strings.Repeat("1,", 50) + `1]}`,
	}
	for name, scopes := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := sealed(3, scopes, 1, true)
			limits := batch.Limits{RawBytes: int64(len(opening(3))) + 100}
			if parts, err := whole.Split(pools[0], 3, limits); !errors.Is(err, batch.ErrMalformed) {
				t.Errorf("%d parts, error %v", len(parts), err)
			}
		})
	}
}

// The envelope must be the one that the batch says.
func TestMalformedEnvelope(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*batch.Batch){
		"another number": func(b *batch.Batch) { b.Num++ },
		"another final":  func(b *batch.Batch) { b.Final = false },
		"another header": func(b *batch.Batch) { b.Header = &batch.Header{Service: "t"} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := sealed(3, `{"scope_type":"a"}`, 1, true)
			change(b)
			if renumbered, err := b.Renumber(pools[0], 4, true); !errors.Is(err, batch.ErrMalformed) {
				t.Errorf("got %v, error %v", renumbered, err)
			}
		})
	}
	t.Run("no bytes", func(t *testing.T) {
		t.Parallel()
		b := &batch.Batch{Header: splitHeader, File: &encode.Segments{}}
		if _, err := b.Split(pools[0], 1, batch.Limits{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a second member", func(t *testing.T) {
		t.Parallel()
		b, second := sealed(3, `{"scope_type":"a"}`, 1, true), sealed(3, ``, 0, true)
		if _, err := io.Copy(b.File, second.File.NewReader()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Renumber(pools[0], 4, true); !errors.Is(err, batch.ErrMalformed) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRenumber(t *testing.T) {
	t.Parallel()
	whole := sealed(3, `{"scope_type":"a"},{"scope_type":"b"}`, 1, false)
	for _, final := range []bool{false, true} {
		b, err := whole.Renumber(pools[0], 2147483647, final)
		if err != nil {
			t.Fatal(err)
		}
		if b.ScopeCount != 1 {
			t.Errorf("%d scopes end in it", b.ScopeCount)
		}
		if err := checkParts(whole, []*batch.Batch{b}, 2147483647, final, batch.Limits{}); err != nil {
			t.Error(err)
		}
	}
	limits := batch.Limits{RawBytes: int64(len(opening(3))) + 40}
	if _, err := whole.Split(pools[0], 2147483647, limits); err == nil {
		t.Error("split goes on behind the largest number")
	}
}
