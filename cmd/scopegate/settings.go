package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// setting is what a flag has come to be, and why.
type setting struct {
	name  string
	value string
	// source is "flag", the name of a variable, the file and line, or fromDefault.
	source string
}

const fromDefault = "default"

// BeforeResolve loads the configuration file that a flag or a variable names, so
// that the other flags can take their values from it.
func (c *serveCommand) BeforeResolve(ctx context.Context, line *kong.Context, env *environment, file *configFile) error {
	flags := line.Flags()
	i := slices.IndexFunc(flags, func(flag *kong.Flag) bool { return flag.Name == "config" })
	if i < 0 {
		return nil
	}
	path, _ := line.FlagValue(flags[i]).(string)
	if path == "" {
		_, path = env.find(flags[i])
	}
	if path == "" {
		return nil
	}
	return file.load(ctx, path, flags)
}

// settings returns the command's settings, in the order of its help.
func settings(line *kong.Context, env *environment, file *configFile) []setting {
	var all []setting
	for _, flag := range line.Flags() {
		if slices.Contains([]string{"help", "version", "check"}, flag.Name) {
			continue
		}
		all = append(all, setting{
			name: flag.Name, value: shown(flag.Target), source: sourceOf(flag, line, env, file),
		})
	}
	return all
}

func sourceOf(flag *kong.Flag, line *kong.Context, env *environment, file *configFile) string {
	for _, path := range line.Path {
		if path.Flag == flag && !path.Resolved {
			return "flag"
		}
	}
	if name, _ := env.find(flag); name != "" {
		return name
	}
	if value, ok := file.values[flag.Value]; ok {
		return fmt.Sprintf("%s:%d", file.path, value.line)
	}
	return fromDefault
}

// pemBegin is what the text of a key or certificate begins with.
const pemBegin = "-----BEGIN"

// shown is a value as text, without what may be secret in a URL.
func shown(value reflect.Value) string {
	var items []string
	switch {
	case value.Kind() == reflect.Slice && value.Type().Name() == "":
		for i := range value.Len() {
			items = append(items, withoutSecrets(fmt.Sprint(value.Index(i).Interface())))
		}
	case value.Kind() == reflect.Map:
		for rows := value.MapRange(); rows.Next(); {
			items = append(items, fmt.Sprintf("%v=%s", rows.Key(), withoutSecrets(fmt.Sprint(rows.Value().Interface()))))
		}
		slices.Sort(items)
	default:
		items = []string{withoutSecrets(fmt.Sprint(value.Interface()))}
	}
	if text := strings.Join(items, ","); text != "" {
		return text
	}
	return "-"
}

// withoutSecrets is s, its URLs redacted, and without characters that would break
// the line or control the terminal.
func withoutSecrets(s string) string {
	if strings.Contains(s, pemBegin) {
		return "(not shown: text of a PEM file)" // it was to be the file's path
	}
	words := strings.Split(s, " ")
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = redacted(word)
		}
	}
	s = strings.Join(words, " ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// printSettings writes a table of settings.
func printSettings(w io.Writer, all []setting) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.name, s.value, s.source)
	}
	return table.Flush()
}
