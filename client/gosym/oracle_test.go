package gosym_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/client/gosym/internal/oracle"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// An oracleProgram is a program to compare with its sources.
type oracleProgram struct {
	name string
	oracle.Build

	// compile are further build flags, which select no files.
	compile []string
	cgo     bool
	read    func() (*heldProgram, error)
}

// heldProgram has the scopes of a program, and the evidence to compare them with.
type heldProgram struct {
	evidence *oracle.Evidence
	scopes   map[string]*symdbv1.Scope
}

// oraclePrograms are built and read once each, when they are needed.
var oraclePrograms = readOnce([]*oracleProgram{
	{name: "usual", Build: oracle.Build{Dir: "oracle", Flags: []string{"-trimpath"}}},
	{name: "not optimised", Build: oracle.Build{Dir: "oracle"}, compile: []string{"-gcflags=example.com/oracle/...=-N -l"}},
	{name: "not inlined", Build: oracle.Build{Dir: "oracle"}, compile: []string{"-gcflags=example.com/oracle/...=-l"}},
	{name: "inlined more", Build: oracle.Build{Dir: "oracle"}, compile: []string{"-gcflags=example.com/oracle/...=-l=4"}},
	{name: "race", Build: oracle.Build{Dir: "oracle", Flags: []string{"-race"}}, cgo: true},
	{name: "cgo", Build: oracle.Build{Dir: "oraclecgo"}, cgo: true},
})

func readOnce(programs []*oracleProgram) []*oracleProgram {
	for _, p := range programs {
		p.read = sync.OnceValues(p.build)
	}
	return programs
}

// build builds a program and reads its scopes and the evidence.
func (p *oracleProgram) build() (*heldProgram, error) {
	b := p.Build
	b.Package, b.Module, b.Env = ".", "example.com/"+b.Dir, []string{"CGO_ENABLED=0"}
	b.Dir = filepath.Join("testdata", b.Dir)
	if p.cgo {
		b.Env = []string{"CGO_ENABLED=1"}
	}
	path := filepath.Join(buildFolder, "oracle-"+strings.ReplaceAll(p.name, " ", "-"))
	args := append(append([]string{"build", "-buildvcs=false", "-o", path}, b.Flags...), p.compile...)
	cmd := exec.CommandContext(context.Background(), "go", append(args, b.Package)...)
	cmd.Dir = b.Dir
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local"), b.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	source, err := oracle.Load(&b)
	if err != nil {
		return nil, err
	}
	evidence, err := oracle.Gather(path, source)
	if err != nil {
		return nil, err
	}
	binary, err := gosym.Open(context.Background(), path, gosym.WithMainModule())
	if err != nil {
		return nil, err
	}
	defer binary.Close()
	scopes, err := collect(binary)
	return &heldProgram{evidence, scopes}, err
}

// cCompiler reports whether there is a C compiler with its headers.
var cCompiler = sync.OnceValue(func() bool {
	cmd := exec.CommandContext(context.Background(), "sh", "-c", `printf '#include <stdlib.h>\n' | $(go env CC) -E - >/dev/null 2>&1`)
	return cmd.Run() == nil
})

func TestOracle(t *testing.T) {
	t.Parallel()
	for _, p := range oraclePrograms {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			if p.cgo && !cCompiler() {
				t.Skip("no C compiler")
			}
			held, err := p.read()
			if err != nil {
				t.Fatal(err)
			}
			judge(t, held.evidence.Check(held.scopes))
		})
	}
}

// judge prints a report, and fails if something is false, repeated, or missing without a
// valid reason.
func judge(t *testing.T, report *oracle.Report) {
	t.Helper()
	var b strings.Builder
	report.Table(&b)
	report.Wrongs(&b)
	t.Log("\n" + b.String())
	if n := report.Wrong(); n > 0 {
		t.Errorf("%d findings, want none", n)
	}
}

// TestOracleOn compares the binaries that SCOPEGATE_ORACLE lists with their sources, which
// are in this module, in the module cache or in GOROOT.
func TestOracleOn(t *testing.T) {
	t.Parallel()
	paths := strings.Fields(os.Getenv("SCOPEGATE_ORACLE"))
	if len(paths) == 0 {
		t.Skip("SCOPEGATE_ORACLE lists no binaries")
	}
	for _, path := range paths {
		build, err := oracle.BuildOf(path, ".")
		if err != nil {
			t.Fatal(err)
		}
		source, err := oracle.Load(build)
		if err != nil {
			t.Fatal(err)
		}
		evidence, err := oracle.Gather(path, source)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(path)
		judge(t, evidence.Check(packages(t, open(t, path))))
	}
}
