package repository_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const settingsDocument = "../../docs/configuration.md"

// setting is a flag of serve, as its help has it.
type setting struct {
	group, name, defaultValue, help string
	variables                       []string
}

// settingsOf returns the settings in the order of the help, which wraps their texts.
func settingsOf(t *testing.T) []setting {
	t.Helper()
	flagLine := regexp.MustCompile(`^ {2,6}(?:-\w, )?--([a-z-]+)\S*\s*(.*)$`)
	text := regexp.MustCompile(`^(.*?)(?: \[default: (.*?)\])?(?: \[env: (.*?)\])?$`)
	var settings []setting
	group := ""
	_, flags, _ := strings.Cut(command(t.Context(), t, nil, "serve", "--help-all"), "\nFlags:\n")
	for line := range strings.Lines(flags) {
		line = strings.TrimRight(line, "\n")
		if found := flagLine.FindStringSubmatch(line); found != nil {
			settings = append(settings, setting{group: group, name: found[1], help: found[2]})
		} else if strings.HasPrefix(line, " ") {
			last := &settings[len(settings)-1]
			last.help = strings.TrimSpace(last.help + " " + strings.TrimSpace(line))
		} else if line != "" {
			group = line
		}
	}
	settings = slices.DeleteFunc(settings, func(s setting) bool { return s.group == "" }) // --help and --version
	for i := range settings {
		found := text.FindStringSubmatch(settings[i].help)
		settings[i].help, settings[i].defaultValue = found[1], found[2]
		settings[i].variables = slices.DeleteFunc(strings.Split(found[3], ", "), func(name string) bool { return name == "" })
	}
	return settings
}

// TestSettingsAreDocumented compares the table in docs/configuration.md with the
// flags, or writes it.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	group := ""
	for _, s := range settingsOf(t) {
		if s.group != group {
			group = s.group
			fmt.Fprintf(&table, "\n### %s\n\n| flag and variable | default | what it does |\n|---|---|---|\n", group)
		}
		names := append([]string{"--" + s.name}, s.variables...)
		fmt.Fprintf(&table, "| %s | %s | %s |\n", code(strings.Join(names, "`<br>`")), code(s.defaultValue),
			strings.ReplaceAll(s.help, "|", `\|`))
	}
	requireGenerated(t, settingsDocument, table.String()+"\n")
}

// The description of --intake-url refers to what stands above it, in the help and in
// the document.
func TestChoiceOfIntakeIsDocumented(t *testing.T) {
	t.Parallel()
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	above, _, _ := strings.Cut(read(t, settingsDocument), "<!-- generated")
	_, choice, found := strings.Cut(command(t.Context(), t, nil, "serve", "--help"), "Without an intake URL")
	choice, _, foundEnd := strings.Cut(choice, "For each address")
	if !found || !foundEnd || !strings.Contains(words(above), words(choice)) {
		t.Errorf("%s lacks, above the settings, %q", settingsDocument, choice)
	}
}

// TestErrorsAreDocumented: what the document shows is what is printed.
func TestErrorsAreDocumented(t *testing.T) {
	t.Parallel()
	document := read(t, settingsDocument)
	path := filepath.Join(t.TempDir(), "scopegate.yaml")
	if err := os.WriteFile(path, []byte("# first\n\nintake-url: foo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		command(t.Context(), t, nil, "serve", "--max-batch-bytes", "1000"),
		command(t.Context(), t, []string{"SCOPEGATE_MEMORY_LIMIT=1KiB"}, "serve"),
		command(t.Context(), t, nil, "serve", "--config", path),
	} {
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		want := strings.Replace(lines[len(lines)-1], path, "scopegate.yaml", 1)
		if !strings.Contains(document, "\n"+want+"\n") {
			t.Errorf("%s lacks %q", settingsDocument, want)
		}
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// TestSettingsAreNamedAlike: who knows a flag knows its variable.
func TestSettingsAreNamedAlike(t *testing.T) {
	t.Parallel()
	settings := settingsOf(t)
	if len(settings) < 50 {
		t.Fatalf("the help has %d settings, want at least 50", len(settings))
	}
	for _, s := range settings {
		want := "SCOPEGATE_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
		if s.name != "check" && (len(s.variables) == 0 || s.variables[0] != want) {
			t.Errorf("--%s: the variables are %q, want %s first", s.name, s.variables, want)
		}
	}
}

// TestVariablesAreDocumented finds the variables that are read beside those of
// flags.
func TestVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	document := read(t, settingsDocument)
	sources, err := filepath.Glob("../../cmd/scopegate/*.go")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		for _, name := range variablesRead(t, path) {
			count++
			if !strings.Contains(document, "`"+name+"`") {
				t.Errorf("%s reads %s, of which %s says nothing", path, name, settingsDocument)
			}
		}
	}
	if count == 0 {
		t.Error("no source reads any variable")
	}
}

// variablesRead returns the literals that a file calls getenv or LookupEnv with.
func variablesRead(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return true
		}
		name := ""
		switch function := call.Fun.(type) {
		case *ast.Ident:
			name = function.Name
		case *ast.SelectorExpr:
			name = function.Sel.Name
		}
		literal, ok := call.Args[0].(*ast.BasicLit)
		if ok && slices.Contains([]string{"getenv", "Getenv", "LookupEnv"}, name) {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				names = append(names, text)
			}
		}
		return true
	})
	slices.SortFunc(names, cmp.Compare)
	return slices.Compact(names)
}
