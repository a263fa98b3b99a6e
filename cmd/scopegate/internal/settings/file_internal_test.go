package settings

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"listen", "listen", 0}, {"listne", "listen", 2}, {"kitten", "sitting", 3}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: got %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"", "listen: [a, b]\nmax-depth: 5\n", "a: &b {c: *b}\n", "- 1\n---\n? x\n: y\n", "log-level: |\n  info\n", "\xff", "a: !!int x",
	} {
		f.Add([]byte(seed))
	}
	var flags struct {
		Listen   []string
		MaxDepth int
		Size     Size
		Labels   map[string]string
		Age      time.Duration
		Check    bool
	}
	parser, err := kong.New(&flags)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		entries, err := parseEntries(t.Context(), content)
		if err != nil {
			return
		}
		file := &configFile{values: make(map[*kong.Value]fileValue)}
		for _, e := range entries {
			if err := file.enter(e, parser.Model.Flags); err == nil && len(file.values) == 0 {
				t.Errorf("%q: %s was taken, and is not there", content, e.key)
			}
		}
	})
}

// Lists and mappings of all types keep their values.
func TestConfigFileOfEveryType(t *testing.T) {
	t.Parallel()
	var target struct {
		Sizes    []Size
		Words    []string
		Whole    []string `sep:"none"`
		Pairs    map[string]int
		Switch   bool
		Fraction float64
		Count    uint8
	}
	parser, err := kong.New(&target)
	if err != nil {
		t.Fatal(err)
	}
	config := &configFile{}
	content := "sizes: [1KiB, 5]\nwords: ['a,b', c]\nwhole: ['a,b', c]\npairs: {a: 1, b: 2}\nswitch: true\nfraction: 0.5\ncount: 0x10\n"
	path := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.load(t.Context(), path, parser.Model.Flags); err != nil {
		t.Fatal(err)
	}
	if err := kong.Resolvers(config).Apply(parser); err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	words := []string{"a,b", "c"}
	if !slices.Equal(target.Sizes, []Size{1024, 5}) || !slices.Equal(target.Words, words) || !slices.Equal(target.Whole, words) ||
		!maps.Equal(target.Pairs, map[string]int{"a": 1, "b": 2}) || !target.Switch || target.Fraction != 0.5 || target.Count != 16 {
		t.Errorf("%+v", target)
	}
}
