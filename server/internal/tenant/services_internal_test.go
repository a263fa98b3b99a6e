package tenant

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestServices compares with going through all patterns.
func TestServices(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[ab-]{0,4}`)
		patterns := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) string {
			pattern := word.Draw(t, "word")
			if pattern == "" || rapid.Bool().Draw(t, "prefix") {
				pattern += "*"
			}
			return pattern
		}), 1, 8, rapid.ID[string]).Draw(t, "patterns")
		var s Services
		for _, pattern := range patterns {
			if err := s.add(pattern); err != nil {
				t.Fatalf("%q: %v", pattern, err)
			}
		}
		for range 10 {
			name := word.Draw(t, "name")
			want := slices.ContainsFunc(patterns, func(pattern string) bool {
				prefix, isPrefix := strings.CutSuffix(pattern, "*")
				return pattern == name || isPrefix && strings.HasPrefix(name, prefix)
			})
			if got := s.Has(name); got != want {
				t.Fatalf("%q of %q: got %v, want %v", name, patterns, got, want)
			}
		}
	})
	var all *Services
	if !all.Has("") || !all.Has("shop") {
		t.Error("a tenant without services may not have one")
	}
	exact := Services{}
	if err := exact.add("Shop"); err != nil || exact.Has("shop") || exact.Has("Shop ") || exact.Has("") || !exact.Has("Shop") {
		t.Errorf("%v: a service is taken for another", err)
	}
}
