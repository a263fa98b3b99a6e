package gosym

import (
	"slices"
	"strings"
	"testing"
)

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
		"map.init.0": true, "map.init.0.func1": false, "init.0": false,
		"gowrap1": false, "F.gowrapper": false, "deferwrap": false, "T.deferwrap": false,
		"T.gowrap1": false, "(*T).deferwrap2": false, "(*T).M.deferwrap2": true, "T.gowrap1.gowrap1": true,
		"_Cfunc_CString": true, "_cgo_cmalloc": true, "_cgo_cmalloc.func1": true, "_cgo_panic": false, "_cgoexp_1_f": true,
	} {
		if got := compilerMade(name, func(name string) bool { return name == "T" }); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestLiteralNames(t *testing.T) {
	t.Parallel()
	isType := func(name string) bool { return name == "T" || name == "Box[...]" }
	tests := []struct {
		name, outer, own, around string
		home                     bool
	}{
		{"F", "", "", "F", true},
		{"init.0", "", "", "init.0", true},
		{"F.func1", "F", ".func1", "F", true},
		{"F.func1.2", "F.func1", ".2", "F", true},
		{"F-range1", "F", "-range1", "F", true},
		{"F.func1-range2.3", "F.func1-range2", ".3", "F", true},
		{"init.func1", "init", ".func1", "init", true},
		{"init.0.func1", "init.0", ".func1", "init.0", true},
		{"glob..func1", "glob.", ".func1", "glob.", true},
		{"map.init.0.func1", "map.init.0", ".func1", "map.init.0", true},
		{"(*T).M.func1", "(*T).M", ".func1", "(*T).M", true},
		{"T.M.func1", "T.M", ".func1", "T.M", true},
		{"F[...].func1", "F[...]", ".func1", "F[...]", true},
		{"(*Box[...]).Put.func1", "(*Box[...]).Put", ".func1", "(*Box[...]).Put", true},
		{"T.func1", "", "", "T.func1", true},
		{"(*T).func1", "", "", "(*T).func1", true},
		{"G.F.func2", "G.F", ".func2", "G.F", false},
		{"G.func1.F.2", "G.func1.F", ".2", "G.func1.F", false},
		{"G.(*T).M.func2", "G.(*T).M", ".func2", "G.(*T).M", false},
		{"G.F[...].func2.1", "G.F[...].func2", ".1", "G.F[...]", false},
		{"T.M.F-range1", "T.M.F", "-range1", "T.M.F", false},
		{"M-fm.(*T).M.func2", "M-fm.(*T).M", ".func2", "M-fm.(*T).M", false},
	}
	for _, tt := range tests {
		outer, own, _ := splitLiteral(tt.name, isType)
		if outer != tt.outer || own != tt.own {
			t.Errorf("%s: %q in %q; want %q in %q", tt.name, own, outer, tt.own, tt.outer)
		}
		if around, home := declaredIn(tt.name, isType); around != tt.around || home != tt.home {
			t.Errorf("%s: lies in %q, %v; want %q, %v", tt.name, around, home, tt.around, tt.home)
		}
	}
	for name, want := range map[string]string{
		"F.func1": "F", "G.F.func2": "F", "G.(*T).M.func1": "(*T).M", "G.T.M.func1": "T.M", "G.H.M.func1": "M",
		"G.F[...].func1": "F[...]", "G.(*Box[...]).Put.func1": "(*Box[...]).Put", "G.Box[...].Get.func1": "Box[...].Get",
		"G.func1.F.func1": "F", "G.F.func2.1-range3": "F", "G.T.func1.func2": "T.func1",
		"G.(*T).func1-range1": "(*T).func1", "G.(*Box[...]).func1.2": "(*Box[...]).func1", "G.H.F.T": "",
	} {
		if got := copiedFunction(name, isType); got != want {
			t.Errorf("%s: copied with %s, want %s", name, got, want)
		}
	}
}

func TestTypesOfInstances(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b, want string }{
		{"int", "int", "int"},
		{"int", "string", "<T>"},
		{"[]int", "[]string", "<T>"},
		{"a.Box[int]", "a.Box[string]", "a.Box[...]"},
		{"*a.Box[int]", "*a.Box[string]", "*a.Box[...]"},
		{"map[string]int", "map[int]int", "<T>"},
		{"a.Bitmap[int]", "a.Bitmap[string]", "a.Bitmap[...]"},
		{"func(a.Box[a.Box[int]]) bool", "func(a.Box[string]) bool", "func(a.Box[...]) bool"},
		{"a.Box[int]", "a.Bag[int]", "<T>"},
	} {
		if got := commonType(tt.a, tt.b); got != tt.want {
			t.Errorf("%s and %s: got %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
	for name, want := range map[string][]string{
		"a.F": nil, "a.F[go.shape.int]": nil, "a.F[int,string]": nil,
		"a.F[go.shape.int,*b.T[go.shape.[]go.shape.int]]":                {"*b.T[...]"},
		"a.(*T[map[string]b.T[go.shape.int],go.shape.string]).M.func1.2": {"map[string]b.T[...]"},
		"a.F[go.shape.struct { x int \"a,b]\\\"\" },b.T[go.shape.int]]":  {"b.T[...]"},
		"a.F[go.shape.int": nil, "a.F[b.T[go.shape.int": {"b.T[...]"},
	} {
		if got := mixedArguments(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"main.F", "a/b.(*T[go.shape.int]).M", "a.F[\"\\", "(*", "a.(*T", "x/y.%zz", "][."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		plainType(name)
		mixedArguments(name)
		commonType(name, name+"[")
		collapsed := collapse(name)
		pkg, rest, ok := splitPackage(collapsed)
		if !ok {
			return
		}
		if pkg == "" || rest == "" {
			t.Errorf("%q: package %q, rest %q, want neither empty", name, pkg, rest)
		}
		receiver, method, ok := splitReceiver(rest, func(string) bool { return true })
		if ok && len(receiver)+len(method) >= len(rest) {
			t.Errorf("%q: receiver %q, method %q, want fewer bytes than %q has", name, receiver, method, rest)
		}
		outer, own, ok := splitLiteral(rest, func(string) bool { return false })
		if ok && outer+own != rest {
			t.Errorf("%q: %q in %q, want them to make %q", name, own, outer, rest)
		}
		if around, _ := declaredIn(rest, func(string) bool { return false }); !strings.HasPrefix(rest, around) {
			t.Errorf("%q: lies in %q, want %q at its beginning", name, around, around)
		}
		copiedFunction(rest, func(string) bool { return true })
	})
}
