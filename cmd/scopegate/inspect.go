package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/scopegate/scopegate/client/gosym"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

type inspectCommand struct {
	Path string `arg:"" name:"binary" help:"A Go binary with DWARF."`

	Packages uploading.PackageFlags `embed:""`

	NDJSON bool `name:"ndjson" group:"Output" help:"Print the scopes as upload reads them: one in JSON on each line."`
}

// Help returns the text between the first line of the command's help and its flags.
func (inspectCommand) Help() string {
	return `Examples:

    scopegate inspect ./bin/shop
    scopegate inspect --main-module --exclude example.com/shop/internal/gen/... ./bin/shop
    scopegate inspect --ndjson ./bin/shop | jq .name
    scopegate inspect --ndjson ./bin/shop | scopegate upload --service shop --language go -

Methods and function literals count as functions. Symbols are fields, arguments and variables.`
}

// Run prints the table, or the scopes. It ends without an error if stdout is closed.
func (c *inspectCommand) Run(ctx context.Context, s *surroundings) error {
	program, err := uploading.OpenProgram(ctx, c.Path, c.Packages)
	if err != nil {
		return err
	}
	defer program.Close()
	out := bufio.NewWriter(s.stdout)
	show := printTable
	if c.NDJSON {
		show = printScopes
	}
	err = show(ctx, out, program)
	if err == nil {
		err = out.Flush()
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// printScopes prints each scope on a line.
func printScopes(ctx context.Context, w io.Writer, program *gosym.Binary) error {
	var line bytes.Buffer
	for scope, err := range program.Packages() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return &uploading.InputError{Err: err}
		}
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(scope)
		if err != nil {
			return &uploading.InputError{Err: fmt.Errorf("package %s: %w", scope.GetName(), err)}
		}
		line.Reset()
		if err := json.Compact(&line, text); err != nil { // protojson puts random spaces
			return fmt.Errorf("package %s: %w", scope.GetName(), err)
		}
		line.WriteByte('\n')
		if _, err := w.Write(line.Bytes()); err != nil {
			return fmt.Errorf("print scopes: %w", err)
		}
	}
	return nil
}

// counts is how many of each there are in a scope and the scopes inside it.
type counts struct {
	name                      string
	functions, types, symbols int
	files                     map[string]bool
}

func (c *counts) add(scope *symdbv1.Scope) {
	switch scope.GetScopeType() {
	case "function", "method":
		c.functions++
	case "struct":
		c.types++
	}
	if scope.SourceFile != nil {
		c.files[scope.GetSourceFile()] = true
	}
	c.symbols += len(scope.GetSymbols())
	for _, inner := range scope.GetScopes() {
		c.add(inner)
	}
}

// printTable prints a description of the program, a row for each package, their sum, and
// what is left out.
func printTable(ctx context.Context, w io.Writer, program *gosym.Binary) error {
	total := counts{files: make(map[string]bool)}
	rows := make([]counts, 0, program.PackageCount())
	width := 0
	for scope, err := range program.Packages() {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return &uploading.InputError{Err: err}
		}
		row := counts{name: scope.GetName(), files: make(map[string]bool)}
		row.add(scope)
		for file := range row.files {
			total.files[file] = true
		}
		total.functions += row.functions
		total.types += row.types
		total.symbols += row.symbols
		rows = append(rows, row)
		width = max(width, len(row.name))
	}
	total.name = settings.FormatCount(int64(len(rows)), "package")
	width = max(width, len(total.name))
	describe(w, program)
	printRow := func(name string, columns ...any) error {
		_, err := fmt.Fprintf(w, "%-*s %9v %7v %9v %7v\n", append([]any{width, name}, columns...)...)
		return err
	}
	if err := printRow("PACKAGE", "FUNCTIONS", "TYPES", "SYMBOLS", "FILES"); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	for _, row := range append(rows, total) {
		if err := printRow(row.name, row.functions, row.types, row.symbols, len(row.files)); err != nil {
			return fmt.Errorf("print table: %w", err)
		}
	}
	if omitted := leftOut(program.Omitted()); omitted != "" {
		fmt.Fprintf(w, "\nleft out: %s\n", omitted)
	}
	return nil
}

// describe prints what is known of the program as a whole.
func describe(w io.Writer, program *gosym.Binary) {
	metadata := program.Metadata()
	version := ""
	if metadata.Version != nil {
		version = *metadata.Version
	}
	for _, line := range [][2]string{
		{"service", metadata.Service},
		{"version", version},
		{"tags", strings.Join(metadata.Tags, ", ")},
		{"main module", program.ModulePath()},
		{"Go version", program.GoVersion()},
		{"debug file", program.DebugFile()},
	} {
		if line[1] != "" {
			fmt.Fprintf(w, "%-12s %s\n", line[0], line[1])
		}
	}
	fmt.Fprintln(w)
}

// leftOut describes what the scopes leave out, or returns "".
func leftOut(o gosym.Omissions) string {
	var parts []string
	for _, part := range []struct {
		count      int
		noun, what string
	}{
		{o.Packages, "package", "not selected"},
		{o.Generated, "function", "made by the compiler or cgo"},
		{o.NoFile, "function", "of unknown files"},
		{o.Ambiguous, "function literal", "with an unknown original"},
	} {
		if part.count > 0 {
			parts = append(parts, settings.FormatCount(int64(part.count), part.noun)+" "+part.what)
		}
	}
	return strings.Join(parts, ", ")
}
