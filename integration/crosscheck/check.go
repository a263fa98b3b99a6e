package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// listed is what "go list" prints of a package.
type listed struct {
	ImportPath, Dir, ForTest string
	GoFiles                  []string
	ImportMap                map[string]string // what an import is called here, where it has another path
	Module                   *struct{ GoVersion string }
	DepOnly                  bool
	Error                    *struct{ Err string }
}

// check type-checks the packages of the module in dir, and their tests, for a platform. It returns how
// many these are. Function bodies of what they import are left out.
func check(ctx context.Context, platform, dir string) (int, error) {
	system, architecture, found := strings.Cut(platform, "-")
	if !found {
		return 0, errors.New("a platform is a system and an architecture, as in linux-arm64")
	}
	packages, err := list(ctx, system, architecture, dir)
	if err != nil {
		return 0, err
	}
	known := map[string]*types.Package{"unsafe": types.Unsafe}
	sizes := types.SizesFor("gc", architecture)
	checked := 0
	var errs []error
	for _, p := range packages {
		if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") {
			continue // the main packages of tests are generated
		}
		if p.Error != nil {
			errs = append(errs, fmt.Errorf("%s: %s", p.ImportPath, p.Error.Err))
			continue
		}
		var broken []error
		known[p.ImportPath], broken = p.check(known, sizes)
		errs = append(errs, broken...)
		if !p.DepOnly {
			checked++
		}
	}
	return checked, errors.Join(errs...)
}

// list returns the packages of a module with their tests, each behind what it imports.
func list(ctx context.Context, system, architecture, dir string) ([]*listed, error) {
	command := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-test",
		"-json=ImportPath,Dir,ForTest,GoFiles,ImportMap,Module,DepOnly,Error", "./...")
	command.Dir = dir
	command.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var packages []*listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("read what go list prints: %w", err)
		}
		packages = append(packages, &p)
	}
}

// check type-checks a package, and returns all that is wrong.
func (p *listed) check(known map[string]*types.Package, sizes types.Sizes) (*types.Package, []error) {
	files := token.NewFileSet()
	syntax, errs := p.parse(files)
	config := types.Config{
		IgnoreFuncBodies: p.DepOnly,
		Sizes:            sizes,
		Error:            func(err error) { errs = append(errs, err) },
		Importer: importer(func(path string) (*types.Package, error) {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if imported := known[path]; imported != nil {
				return imported, nil
			}
			return nil, fmt.Errorf("no package %s was listed", path)
		}),
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ") // a package with its tests is called "path [path.test]"
	checked, _ := config.Check(path, files, syntax, nil)
	return checked, errs
}

// parse parses the files of a package, as many at once as there are processors.
func (p *listed) parse(files *token.FileSet) ([]*ast.File, []error) {
	syntax, broken := make([]*ast.File, len(p.GoFiles)), make([]error, len(p.GoFiles))
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for i, name := range p.GoFiles {
		group.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			syntax[i], broken[i] = parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		})
	}
	group.Wait()
	var errs []error
	for _, err := range broken {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return syntax, errs
}

type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }
