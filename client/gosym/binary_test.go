package gosym_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client/gosym"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestBinaryTellsItsModule(t *testing.T) {
	t.Parallel()
	b := open(t, program(t))
	metadata := b.Metadata()
	if got := metadata.Service; got != "program" {
		t.Errorf("service %q, want the module's last element that is no version", got)
	}
	if got := b.ModulePath(); got != programModule {
		t.Errorf("ModulePath() = %q, want %v", got, programModule)
	}
	if got := metadata.Version; got != nil {
		t.Errorf("version %q for a build without version control, want none", *got)
	}
	if got := b.GoVersion(); !strings.HasPrefix(got, "go1.") && !strings.HasPrefix(got, "devel") {
		t.Errorf("GoVersion() = %q, want go1 or devel at its beginning", got)
	}
}

func TestOptionsSelectPackages(t *testing.T) {
	t.Parallel()
	own := []string{asmPackage, kindsPackage, plainPackage, shapePackage, "main"}
	if got := slices.Sorted(maps.Keys(mainModule(t))); !slices.Equal(got, own) {
		t.Errorf("packages of the main module: %v, want %v", got, own)
	}
	all := everything(t)
	for _, name := range append(own, "runtime") {
		if all[name] == nil {
			t.Errorf("package %s is missing", name)
		}
	}
	tests := map[string]struct {
		opts []gosym.Option
		want []string
	}{
		"organization of a path of two elements": {[]gosym.Option{gosym.WithOrganization()}, own},
		"include":                                {[]gosym.Option{gosym.WithInclude(kindsPackage, "sync")}, []string{"sync", kindsPackage}},
		"include twice":                          {[]gosym.Option{gosym.WithInclude(kindsPackage), gosym.WithInclude("main")}, []string{kindsPackage, "main"}},
		"main by its path":                       {[]gosym.Option{gosym.WithInclude(programModule)}, []string{"main"}},
		"main module and one more":               {[]gosym.Option{gosym.WithMainModule(), gosym.WithInclude("sync")}, append([]string{"sync"}, own...)},
		"exclude from main module":               {[]gosym.Option{gosym.WithMainModule(), gosym.WithExclude(kindsPackage, ".../shape")}, []string{asmPackage, plainPackage, "main"}},
		"exclude the standard ones":              {[]gosym.Option{gosym.WithExclude("std")}, own},
		"exclude wins": {
			[]gosym.Option{gosym.WithExclude("runtime/..."), gosym.WithInclude("all"), gosym.WithExclude("std")}, own,
		},
	}
	for name, tt := range tests {
		b := open(t, program(t), tt.opts...)
		got := slices.Sorted(maps.Keys(packages(t, b)))
		if !slices.Equal(got, slices.Sorted(slices.Values(tt.want))) {
			t.Errorf("%s: packages %v, want %v", name, got, tt.want)
		}
		if got := b.PackageCount(); got != len(tt.want) {
			t.Errorf("%s: PackageCount() = %d, want %d", name, got, len(tt.want))
		}
	}
	if got := open(t, program(t), gosym.WithInclude("all")).PackageCount(); got != len(all) {
		t.Errorf("all: PackageCount() = %d, want %d", got, len(all))
	}
}

func TestOmitted(t *testing.T) {
	t.Parallel()
	all := open(t, program(t))
	if got := all.Omitted(); got.Packages != 0 || got.Generated == 0 {
		t.Errorf("of everything: %+v, want no package, and functions that the compiler made", got)
	}
	own := open(t, program(t), gosym.WithMainModule())
	if got, want := own.Omitted().Packages, all.PackageCount()-own.PackageCount(); got < want {
		t.Errorf("of the main module: %d packages, want at least %d", got, want)
	}
}

func TestOpenRefusesSelection(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		option gosym.Option
		want   error
	}{
		"relative":      {gosym.WithInclude("main", "./..."), gosym.ErrPattern},
		"not excluding": {gosym.WithExclude(""), gosym.ErrPattern},
		"nothing":       {gosym.WithInclude("example.com/other/..."), gosym.ErrNoPackage},
		"all excluded":  {gosym.WithExclude("all"), gosym.ErrNoPackage},
	} {
		if _, err := gosym.Open(t.Context(), program(t), tt.option); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestAgentVersionIsOnRootScopesOnly(t *testing.T) {
	t.Parallel()
	b := open(t, program(t), gosym.WithMainModule(), gosym.WithAgentVersion("1.2.3"))
	for scope, err := range b.Packages() {
		if err != nil {
			t.Fatal(err)
		}
		if got := scope.GetLanguageSpecifics().GetAgentVersion(); got != "1.2.3" {
			t.Errorf("%s: agent_version = %q, want %q", scope.GetName(), got, "1.2.3")
		}
		for _, s := range scope.GetScopes() {
			if s.GetLanguageSpecifics().GetAgentVersion() != "" {
				t.Errorf("%s has an agent_version, want none", s.GetName())
			}
		}
	}
	for _, scope := range mainModule(t) {
		if scope.GetLanguageSpecifics() != nil {
			t.Errorf("%s has language specifics without the option", scope.GetName())
		}
	}
}

func TestPackagesCanBeRangedOverAgain(t *testing.T) {
	t.Parallel()
	b := open(t, program(t), gosym.WithMainModule())
	walks := make([][]*symdbv1.Scope, 3)
	var wg sync.WaitGroup
	for i := range walks {
		wg.Go(func() {
			for scope, err := range b.Packages() {
				if err != nil {
					t.Error(err)
				}
				walks[i] = append(walks[i], scope)
			}
		})
	}
	wg.Wait()
	byName := func(a, b *symdbv1.Scope) int { return strings.Compare(a.GetName(), b.GetName()) }
	for _, walk := range walks {
		if len(walk) != b.PackageCount() || !slices.IsSortedFunc(walk, byName) {
			t.Fatalf("%d packages, or they are not sorted", len(walk))
		}
		for i, scope := range walk {
			if !proto.Equal(scope, walks[0][i]) {
				t.Errorf("package %s differs", scope.GetName())
			}
		}
	}
}

// TestTwoBinariesAreTheSame opens the file twice, to check that the index does not depend
// on the order of a map either.
func TestTwoBinariesAreTheSame(t *testing.T) {
	t.Parallel()
	all := everything(t)
	for scope, err := range open(t, program(t)).Packages() {
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(scope, all[scope.GetName()]) {
			t.Errorf("package %s differs", scope.GetName())
		}
	}
}

func TestPackagesCanBeLeftEarly(t *testing.T) {
	t.Parallel()
	b := open(t, program(t))
	for scope, err := range b.Packages() {
		if err != nil || scope == nil {
			t.Fatalf("first package: %v, %v, want a scope", scope, err)
		}
		break
	}
}

func TestCloseEndsLaterRanges(t *testing.T) {
	t.Parallel()
	b := open(t, program(t), gosym.WithMainModule())
	count := 0
	for _, err := range b.Packages() {
		if err != nil {
			t.Fatal(err)
		}
		count++
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if count != len(mainModule(t)) {
		t.Errorf("a range that had begun gave %d packages, want %d", count, len(mainModule(t)))
	}
	for scope, err := range b.Packages() {
		if scope != nil || !errors.Is(err, gosym.ErrClosed) {
			t.Errorf("after Close: %v, %v, want %v", scope, err, gosym.ErrClosed)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stripped, err := buildProgram(filepath.Join(folder, "stripped"), "-ldflags=-s -w")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, path string
		want       error
	}{
		{"stripped", stripped, gosym.ErrNoDWARF},
		{"text", write("text", []byte("package main\n")), gosym.ErrFormat},
		{"empty", write("empty", nil), gosym.ErrFormat},
		{"cut off", write("cut", binary[:40]), nil},
		{"cut in half", write("half", binary[:len(binary)/2]), nil},
		{"no Go", write("c", emptyELF()), gosym.ErrNotGo},
		{"missing", filepath.Join(folder, "none"), fs.ErrNotExist},
		{"folder", folder, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := gosym.Open(t.Context(), tt.path)
			if err == nil {
				t.Fatal("no error")
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if text := gosym.ErrNoDWARF.Error(); !strings.Contains(text, "go build") || !strings.Contains(text, "-ldflags") {
		t.Errorf("ErrNoDWARF does not say what to do: %s", text)
	}
}

// emptyELF is the header of an ELF file without sections.
func emptyELF() []byte {
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	header[16], header[18], header[20] = 2, 62, 1
	header[52], header[54], header[58] = 64, 56, 64
	return header
}

func TestOtherSystems(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the runtime for other systems")
	}
	want := mainModule(t)
	for system, flags := range map[string]string{"darwin": "-ldflags=-compressdwarf=false", "windows": "-ldflags=-compressdwarf=true"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			path, err := buildProgram(filepath.Join(t.TempDir(), "program.exe"), "GOOS="+system, flags)
			if err != nil {
				t.Fatal(err)
			}
			b := open(t, path, gosym.WithMainModule())
			got := packages(t, b)
			if len(got) != len(want) {
				t.Fatalf("packages: %v, want %v", slices.Sorted(maps.Keys(got)), len(want))
			}
			for name, scope := range want {
				if g, w := outline(got[name]), outline(scope); g != w {
					t.Errorf("package %s, want %v:\n%s\non this system:\n%s", name, w, g, w)
				}
			}
			total := symbol(t, child(t, got["main"], "function", "blocks"), "total")
			if len(total.GetLanguageSpecifics().GetAvailableLineRanges()) == 0 {
				t.Error("no location lists were read")
			}
			if got := b.Metadata().Service; got != "program" {
				t.Errorf("service %q, want %q", got, "program")
			}
		})
	}
}

func TestSectionsInTheOpen(t *testing.T) {
	t.Parallel()
	path, err := buildProgram(filepath.Join(t.TempDir(), "program"), "-ldflags=-compressdwarf=false")
	if err != nil {
		t.Fatal(err)
	}
	got := packages(t, open(t, path, gosym.WithMainModule()))
	for name, want := range mainModule(t) {
		if !proto.Equal(got[name], want) {
			t.Errorf("package %s differs without compression", name)
		}
	}
}
