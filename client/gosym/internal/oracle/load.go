package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// listedPackage is a package as `go list` describes it.
type listedPackage struct {
	ImportPath      string
	Name            string
	Dir             string
	GoFiles         []string
	CgoFiles        []string
	CompiledGoFiles []string
	ImportMap       map[string]string
	Export          string
	Module          *struct {
		Path      string
		Version   string
		Main      bool
		GoVersion string
	}
}

// list lists all packages of the binary, each after its imports.
func list(b *Build) ([]*listedPackage, error) {
	args := []string{
		"list", "-deps", "-compiled",
		"-json=ImportPath,Name,Dir,GoFiles,CgoFiles,CompiledGoFiles,ImportMap,Export,Module",
	}
	if b.Module != "" {
		args = append(args, "-export")
	}
	out, err := b.goCommand(append(append(args, b.Flags...), b.Package)...)
	if err != nil {
		return nil, err
	}
	var all []*listedPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &listedPackage{}
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

// Load reads the sources of a binary.
func Load(b *Build) (*Source, error) {
	listed, err := list(b)
	if err != nil {
		return nil, err
	}
	imports := &imports{
		fset:    token.NewFileSet(),
		checked: map[string]*types.Package{"unsafe": types.Unsafe},
		exports: map[string]string{},
	}
	imports.compiled = importer.ForCompiler(imports.fset, "gc", imports.open)
	source := newSource()
	for _, p := range listed {
		if p.ImportPath == "unsafe" {
			continue
		}
		if !b.reads(p.ImportPath) {
			imports.exports[p.ImportPath] = p.Export
			continue
		}
		checked, err := check(p, b, imports)
		if err != nil {
			return nil, err
		}
		imports.checked[p.ImportPath] = checked.types
		source.add(checked)
	}
	return source, nil
}

// checkedPackage is a package with its syntax and its types.
type checkedPackage struct {
	*listedPackage

	fset  *token.FileSet
	files []*ast.File
	types *types.Package
	info  *types.Info
	// rewrite returns the name of a file in the binary.
	rewrite func(string) string
	// written has the first positions of functions in the files that cgo rewrites.
	// It is nil if the package has no such files.
	written map[token.Position]bool
}

// check parses a package and checks its types.
func check(p *listedPackage, b *Build, imports *imports) (*checkedPackage, error) {
	c := &checkedPackage{
		listedPackage: p,
		fset:          token.NewFileSet(),
		rewrite:       p.rewrite(b),
		info: &types.Info{
			Types:     map[ast.Expr]types.TypeAndValue{},
			Defs:      map[*ast.Ident]types.Object{},
			Uses:      map[*ast.Ident]types.Object{},
			Implicits: map[ast.Node]types.Object{},
		},
	}
	names := p.GoFiles
	if len(p.CgoFiles) > 0 {
		names = p.CompiledGoFiles
	}
	for _, name := range names {
		if !filepath.IsAbs(name) {
			name = filepath.Join(p.Dir, name)
		}
		file, err := parser.ParseFile(c.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", p.ImportPath, err)
		}
		c.files = append(c.files, file)
	}
	if err := c.readWritten(); err != nil {
		return nil, err
	}
	config := types.Config{
		Importer: importMap{p.ImportMap, imports},
		Sizes:    types.SizesFor("gc", runtime.GOARCH),
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	var err error
	if c.types, err = config.Check(p.ImportPath, c.fset, c.files, c.info); err != nil {
		return nil, fmt.Errorf("check types of %s: %w", p.ImportPath, err)
	}
	return c, nil
}

// readWritten records the functions in the files that cgo rewrites.
func (c *checkedPackage) readWritten() error {
	if len(c.CgoFiles) == 0 {
		return nil
	}
	c.written = map[token.Position]bool{}
	fset := token.NewFileSet()
	for _, name := range c.CgoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(c.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse %s: %w", c.ImportPath, err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.FuncLit, *ast.FuncDecl:
				c.written[place(fset.Position(n.Pos()))] = true
			}
			return true
		})
	}
	return nil
}

// place is a position without the offset, which differs between a file and its
// rewritten form.
func place(p token.Position) token.Position {
	p.Offset = 0
	return p
}

// rewrite returns a function that maps a package's files to their names in the
// binary: the same, or with -trimpath a name that begins with the import path.
func (p *listedPackage) rewrite(b *Build) func(string) string {
	if !slices.ContainsFunc(b.Flags, func(flag string) bool { return strings.HasPrefix(flag, "-trimpath") }) {
		return func(name string) string { return name }
	}
	dir := p.ImportPath
	if m := p.Module; m != nil {
		version := m.Version
		if m.Main {
			version = b.MainVersion
		}
		if version != "" {
			dir = m.Path + "@" + version + strings.TrimPrefix(p.ImportPath, m.Path)
		}
	}
	return func(name string) string {
		if rest, ok := strings.CutPrefix(name, p.Dir+string(filepath.Separator)); ok {
			return dir + "/" + filepath.ToSlash(rest)
		}
		return name
	}
}

// imports are the packages that others import: the ones checked before, or export
// data of the compiler.
type imports struct {
	fset     *token.FileSet
	checked  map[string]*types.Package
	exports  map[string]string
	compiled types.Importer
}

// open opens the export data of a package.
func (i *imports) open(path string) (io.ReadCloser, error) {
	if i.exports[path] == "" {
		return nil, fmt.Errorf("package %s has not been listed", path)
	}
	return os.Open(i.exports[path])
}

// importMap resolves the import paths of an importing package.
type importMap struct {
	renamed map[string]string
	*imports
}

func (m importMap) Import(path string) (*types.Package, error) {
	if renamed, ok := m.renamed[path]; ok {
		path = renamed
	}
	if p := m.checked[path]; p != nil {
		return p, nil
	}
	return m.compiled.Import(path)
}
