package gosym

import "testing"

func TestLinkerNames(t *testing.T) {
	t.Parallel()
	types := map[string]bool{"T": true, "Box[...]": true, "Kind": true}
	tests := []struct {
		name                        string
		pkg, rest, receiver, method string
	}{
		{"main.main", "main", "main", "", ""},
		{"main.main.func1", "main", "main.func1", "", ""},
		{"main.init.0", "main", "init.0", "", ""},
		{"main.glob..func1", "main", "glob..func1", "", ""},
		{"a.b/c/d.F", "a.b/c/d", "F", "", ""},
		{"a.b/c%2ed.F", "a.b/c.d", "F", "", ""},
		{"a/b.(*T).M", "a/b", "(*T).M", "T", "M"},
		{"a/b.(*T).M.func1.2", "a/b", "(*T).M.func1.2", "T", "M.func1.2"},
		{"a/b.T.M", "a/b", "T.M", "T", "M"},
		{"a/b.Kind.String", "a/b", "Kind.String", "Kind", "String"},
		{"a/b.F.G.func1", "a/b", "F.G.func1", "", ""},
		{"a/b.F.(*T).M.func1", "a/b", "F.(*T).M.func1", "", ""},
		{"a/b.F[go.shape.int]", "a/b", "F[...]", "", ""},
		{"a/b.F[go.shape.struct { x/y.a int \"json:\\\"]\\\"\" }].func1", "a/b", "F[...].func1", "", ""},
		{"a/b.(*Box[go.shape.[]x/y.T]).Put", "a/b", "(*Box[...]).Put", "Box[...]", "Put"},
		{"a/b.Box[go.shape.int].Get", "a/b", "Box[...].Get", "Box[...]", "Get"},
		{"a/b.Open[", "a/b", "Open[...]", "", ""},
		{"type:.eq.a/b.T", "", "", "", ""},
		{"memeqbody", "", "", "", ""},
		{"main.", "", "", "", ""},
		{".x", "", "", "", ""},
		{"", "", "", "", ""},
		{"noalg.map.group[int]string", "", "", "", ""},
		{"struct { main.x int }", "", "", "", ""},
		{"hash<string,main.T>", "", "", "", ""},
	}
	for _, tt := range tests {
		pkg, rest, _ := splitPackage(collapse(tt.name))
		if pkg != tt.pkg || rest != tt.rest {
			t.Errorf("%s: package %q, rest %q; want %q, %q", tt.name, pkg, rest, tt.pkg, tt.rest)
		}
		receiver, method, _ := splitReceiver(rest, func(name string) bool { return types[name] })
		if receiver != tt.receiver || method != tt.method {
			t.Errorf("%s: receiver %q, method %q; want %q, %q", tt.name, receiver, method, tt.receiver, tt.method)
		}
	}
}

func TestPlainType(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"int":                          "int",
		"map[string]int":               "map[string]int",
		"*a/b%2ec.T":                   "*a/b.c.T",
		"main.Box[int]":                "main.Box[int]",
		"main.Box[go.shape.int]":       "main.Box[...]",
		"[]main.Box[go.shape.int]":     "[]main.Box[...]",
		"go.shape.int":                 "<T>",
		"[]go.shape.int":               "<T>",
		"map[go.shape.string]int":      "<T>",
		"map[string]a.B[go.shape.int]": "map[string]a.B[...]",
		"[4]go.shape.int":              "<T>",
		"100%":                         "100%",
	} {
		if got := plainType(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestCompilerMade(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"F": false, "F.func1": false, "F-range1": false, "init": false, "Wrap": false,
		"T.M-fm": true, "F.gowrap1": true, "F.deferwrap2": true, "F.func1.gowrap3": true,
	} {
		if got := compilerMade(name); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"main.F", "a/b.(*T[go.shape.int]).M", "a.F[\"\\", "(*", "a.(*T", "x/y.%zz", "][."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		plainType(name)
		collapsed := collapse(name)
		pkg, rest, ok := splitPackage(collapsed)
		if !ok {
			return
		}
		if pkg == "" || rest == "" {
			t.Errorf("%q: package %q, rest %q", name, pkg, rest)
		}
		receiver, method, ok := splitReceiver(rest, func(string) bool { return true })
		if ok && len(receiver)+len(method) >= len(rest) {
			t.Errorf("%q: receiver %q, method %q", name, receiver, method)
		}
	})
}
