package gosym

import (
	"debug/buildinfo"
	"errors"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern       string
		match, others []string
	}{
		{"net", []string{"net"}, []string{"net/http", "internet", ""}},
		{"net/", []string{"net"}, []string{"net/http"}},
		{"net/...", []string{"net", "net/http", "net/http/pprof"}, []string{"netip", "x/net"}},
		{"net...", []string{"net", "netip", "net/http"}, []string{"internal/net"}},
		{"...", []string{"net", "a.b/c"}, nil},
		{"all", []string{"net", "a.b/c"}, nil},
		{".../http", []string{"net/http", "a/b/http"}, []string{"http", "net/http/x"}},
		{"...http", []string{"http", "net/http", "ahttp"}, []string{"http2"}},
		{"a/.../c", []string{"a/b/c", "a/b/b/c", "a//c"}, []string{"a/c", "a/b/c/d"}},
		{"a/.../c/...", []string{"a/b/c", "a/b/c/d"}, []string{"a/c/d", "a/b/cd"}},
		{"a...b...c", []string{"abc", "axbxc", "abbcc"}, []string{"acb", "ab", "bc"}},
		{"ab...ba", []string{"abba", "abxba"}, []string{"aba"}},
		{"std", nil, []string{"std", "net"}}, // a module decides
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v, want no error", tt.pattern, err)
		}
		for _, pkg := range tt.match {
			if !p.matches(pkg) {
				t.Errorf("%s matches %q: false, want true", tt.pattern, pkg)
			}
		}
		for _, pkg := range tt.others {
			if p.matches(pkg) {
				t.Errorf("%s matches %q: true, want false", tt.pattern, pkg)
			}
		}
	}
	for _, text := range []string{"", ".", "..", "./...", "../shop", "/shop", `a\b`, "a@v1", "a b"} {
		if _, err := parsePattern(text); !errors.Is(err, ErrPattern) {
			t.Errorf("%q: %v, want %v", text, err, ErrPattern)
		}
	}
}

// FuzzPattern compares with a regular expression.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"net/...", "net"},
		{"a...b...c", "abbcc"},
		{".../http", "a/http"},
		{"a/.../c/...", "a/b/c"},
		{"...", "é"},
		{"aa...a", "aaa"},
		{".../.../...", "a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, pkg string) {
		p, err := parsePattern(text)
		if err != nil || p.std || text == "all" || strings.Contains(text, "//") || strings.Contains("/"+text+"/", "/./") ||
			strings.Contains("/"+text+"/", "/../") || strings.HasSuffix(text, "/") || strings.Contains(text, "\n") {
			return // path.Clean changes it
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(text), `\.\.\.`, `(?s:.*)`)
		if rest, ok := strings.CutSuffix(expression, `/(?s:.*)`); ok {
			expression = rest + `(?s:/.*)?`
		}
		re, err := regexp.Compile(`\A` + expression + `\z`)
		if err != nil || strings.ToValidUTF8(pkg, "") != pkg || strings.ToValidUTF8(text, "") != text {
			return
		}
		if got, want := p.matches(pkg), re.MatchString(pkg); got != want {
			t.Errorf("%q matches %q: %v, want %v", text, pkg, got, want)
		}
	})
}

func TestOrganizationOwnsItsModules(t *testing.T) {
	t.Parallel()
	of := func(path string) module {
		return newModule("app", &buildinfo.BuildInfo{Main: debug.Module{Path: path}, Deps: []*debug.Module{{Path: "example.com/app/api"}}})
	}
	for _, tt := range []struct {
		main, pkg string
		want      bool
	}{
		{"github.com/org/repo", "main", true},
		{"github.com/org/repo", "github.com/org/repo/cart", true},
		{"github.com/org/repo", "github.com/org/other", true},
		{"github.com/org/repo/v2", "github.com/org/other/x", true},
		{"github.com/org/repo/cmd/app", "github.com/org/other", true},
		{"github.com/org/repo", "github.com/organic/other", false},
		{"github.com/org/repo", "github.com/org", false},
		{"github.com/org/repo", "fmt", false},
		{"example.com/app", "example.com/app/cart", true},
		{"example.com/app", "example.com/other", false},
		{"example.com/app/v2", "example.com/app/v2/cart", true},
		{"example.com/app/v2", "example.com/app/cart", false},
		{"example.com/app", "example.com/app/api", false}, // a module of its own
		{"shop/cart/app", "shop/cart/app/x", true},
		{"shop/cart/app", "shop/cart/other", false}, // no host
	} {
		m := of(tt.main)
		if got := m.organizationOwns(tt.pkg); got != tt.want {
			t.Errorf("the organization of %s owns %s: %v, want %v", tt.main, tt.pkg, got, tt.want)
		}
	}
}

func TestStandardLibrary(t *testing.T) {
	t.Parallel()
	shop := newModule("shop", &buildinfo.BuildInfo{
		Path: "shop/cmd/shop", Main: debug.Module{Path: "shop"}, Deps: []*debug.Module{{Path: "corp/log"}},
	})
	std, err := parsePattern("std")
	if err != nil {
		t.Fatal(err)
	}
	for pkg, want := range map[string]bool{
		"fmt": true, "net/http": true, "internal/abi": true, "vendor/golang.org/x/net/idna": true, "runtime": true,
		"main": false, "shop/cart": false, "shop_test": false, "corp/log/level": false, "corp/other": true, "example.com/x": false,
		"cmd/internal/obj": false,
	} {
		if got := shop.matchesAny([]pattern{std}, pkg); got != want {
			t.Errorf("%s is of the standard library: %v, want %v", pkg, got, want)
		}
	}
}

func TestPatternOfExternalTestsAndMain(t *testing.T) {
	t.Parallel()
	shop := newModule("shop", &buildinfo.BuildInfo{Path: "example.com/shop/cmd/shop", Main: debug.Module{Path: "example.com/shop"}})
	files := newModule("shop", &buildinfo.BuildInfo{Path: commandLine})
	for _, tt := range []struct {
		module       module
		pattern, pkg string
		want         bool
	}{
		{shop, "example.com/shop/cart", "example.com/shop/cart_test", true},
		{shop, "example.com/shop/cart_test", "example.com/shop/cart_test", true},
		{shop, "example.com/shop/cart_test", "example.com/shop/cart", false},
		{shop, "example.com/shop/...", "main", true},
		{shop, "example.com/shop/cmd/...", "main", true},
		{shop, "main", "main", true},
		{shop, "example.com/shop/cart", "main", false},
		{files, commandLine, "main", false},
		{files, "main", "main", true},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.module.matchesAny([]pattern{p}, tt.pkg); got != tt.want {
			t.Errorf("%s matches %s: %v, want %v", tt.pattern, tt.pkg, got, tt.want)
		}
	}
}
