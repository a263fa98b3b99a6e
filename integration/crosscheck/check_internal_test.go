package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	const shared = "package shop\n\nimport \"strings\"\n\nvar Name = strings.ToUpper(name)\n"
	for _, test := range []struct {
		name, platform string
		files          map[string]string
		checked        int    // packages
		want           string // the error, or a part of it
	}{
		{"another system's file", "windows-amd64", map[string]string{"a.go": shared, "name_windows.go": "package shop\n\nconst name = \"cart\"\n"}, 1, ""},
		{
			"no file for the system", "linux-arm64",
			map[string]string{"a.go": shared, "name_windows.go": "package shop\n\nconst name = \"cart\"\n"},
			1, "undefined: name",
		},
		{"wrong in a function", "darwin-arm64", map[string]string{"a_darwin.go": "package shop\n\nfunc f() int { return \"\" }\n"}, 1, "cannot use"},
		{"a test", "windows-amd64", map[string]string{
			"a.go":              shared,
			"name.go":           "package shop\n\nconst name = \"cart\"\n",
			"a_test.go":         "package shop_test\n\nimport \"example.com/shop\"\n\nvar _ int = shop.Name + shop.Exported\n",
			"b_windows_test.go": "package shop\n\nvar Exported = Name\n",
		}, 3, "cannot use shop.Name + shop.Exported"},
		{"syntax", "linux-arm64", map[string]string{"a.go": "package shop\n\nfunc {\n"}, 1, "expected 'IDENT'"},
		{"an import that is nowhere", "linux-arm64", map[string]string{"a.go": "package shop\n\nimport _ \"example.com/shop/nowhere\"\n"}, 1, "nowhere"},
		{"no platform", "windows", nil, 0, "a platform is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, content string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("go.mod", "module example.com/shop\n\ngo 1.26\n")
			for name, content := range test.files {
				write(name, content)
			}
			checked, err := check(t.Context(), test.platform, dir)
			if checked != test.checked {
				t.Errorf("%d packages were checked, want %d", checked, test.checked)
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got the error %v, want %q in it", err, test.want)
			}
		})
	}
}
