package batch_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/spool"
)

// envelopeBytes is how much of a batch's JSON may be its envelope.
var envelopeBytes = int64(len(opening(math.MaxInt32)) + len(closing(false)))

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
			room:   24,
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
			whole := sealed(test.scopes, test.count).Number(3, true)
			limits := batch.Limits{RawBytes: envelopeBytes + test.room}
			parts, err := whole.Split(pools[0], limits)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			var counts []int64
			for _, part := range numberAll(parts, 7, true) {
				scopes, err := scopesOf(part)
				if err != nil {
					t.Fatal(err)
				}
				got, counts = append(got, scopes), append(counts, part.ScopeCount)
			}
			if !slices.Equal(got, test.want) || !slices.Equal(counts, test.counts) {
				t.Errorf("got  %v\n%s\nwant %v\n%s", counts, strings.Join(got, "\n"), test.counts, strings.Join(test.want, "\n"))
			}
			if err := checkParts(whole, parts, 7, limits); err != nil {
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
		index  int64
		want   []batch.ScopeName
		text   string
	}{
		"a root without children": {
			scopes: `{"scope_type":"a"},{"scope_type":"p","name":"root","source_file":"` + long + `"}`,
			limits: batch.Limits{RawBytes: 200},
			index:  1,
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
			parts, err := sealed(test.scopes, 1).Number(3, true).Split(pools[0], test.limits)
			unsplittable, ok := errors.AsType[*batch.UnsplittableError](err)
			if !ok || parts != nil {
				t.Fatalf("%d parts, error %v, want none and an error of its type", len(parts), err)
			}
			if !slices.Equal(unsplittable.Path, test.want) || unsplittable.Limits != test.limits || unsplittable.Index != test.index {
				t.Errorf("got %+v, want %v, Limits %v and Index %d", unsplittable, test.want, test.limits, test.index)
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
			whole := sealed(scopes, 1).Number(3, true)
			limits := batch.Limits{RawBytes: envelopeBytes + 100}
			if parts, err := whole.Split(pools[0], limits); !errors.Is(err, batch.ErrMalformed) {
				t.Errorf("%d parts, error %v, want %v", len(parts), err, batch.ErrMalformed)
			}
		})
	}
}

// A body that does not come back from its store as it went there is no batch.
func TestSplitOfSpoiledBody(t *testing.T) {
	t.Parallel()
	whole := sealed(`{"scope_type":"a","name":"`+noise(20_000, 1)+`"}`, 1).Number(1, true)
	store := &spoiling{Spool: openSpool(t)}
	if _, err := whole.File.Spill(store); err != nil {
		t.Fatal(err)
	}
	if _, err := whole.Split(pools[0], batch.Limits{}); err != nil {
		t.Fatal(err)
	}
	store.spoil = true
	if parts, err := whole.Split(pools[0], batch.Limits{}); !errors.Is(err, gzip.ErrChecksum) {
		t.Errorf("%d parts, error %v, want %v", len(parts), err, gzip.ErrChecksum)
	}
}

// spoiling changes a letter of what is read from it.
type spoiling struct {
	*spool.Spool

	spoil bool
}

func (s *spoiling) ReadAt(b []byte, id int64, offset int) error {
	err := s.Spool.ReadAt(b, id, offset)
	if s.spoil && len(b) > 1000 {
		b[1000] ^= 1
	}
	return err
}

// A sealed batch takes any number, as often as it is asked for, and its scopes are
// the same bytes in all files.
func TestNumber(t *testing.T) {
	t.Parallel()
	const scopes = `{"scope_type":"a"},{"scope_type":"b"}`
	unnumbered := sealed(scopes, 1)
	body, err := io.ReadAll(unnumbered.Body.NewReader())
	if err != nil {
		t.Fatal(err)
	}
	for _, num := range []int32{1, 9, 10, math.MaxInt32} {
		for _, final := range []bool{false, true} {
			b := unnumbered.Number(num, final)
			if got, err := scopesOf(b); got != scopes || err != nil {
				t.Errorf("batch %d, final %v: got %s, error %v, want %v", num, final, got, err, scopes)
			}
			if b.Num != num || b.Final != final || b.ScopeCount != 1 {
				t.Errorf("got %+v, want number %d, final %v", b, num, final)
			}
			file := fileOf(t, b)
			if !bytes.Contains(file, body) || !bytes.Equal(file, fileOf(t, unnumbered.Number(num, final))) {
				t.Errorf("batch %d, final %v has other bytes", num, final)
			}
		}
	}
}
