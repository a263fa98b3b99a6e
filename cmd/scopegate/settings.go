package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"
)

// setting is what a flag has come to be, and why.
type setting struct {
	flag  *kong.Flag
	name  string
	value string
	// source is fromFlag, the name of a variable, the file and line, fromDefault, or
	// what was found in place of a default.
	source string
	inFile bool
}

const (
	fromFlag    = "flag"
	fromDefault = "default"
)

// place says where the setting stands, and its name there, as kong does it for a
// value that it can't read.
func (s setting) place() string {
	switch {
	case s.source == fromFlag:
		return "--" + s.name
	case s.inFile:
		return s.source + ": " + s.name
	}
	return "--" + s.name + ": " + s.source
}

// chosenBy names what has decided: the flag, or the source.
func (s setting) chosenBy() string {
	if s.source == fromFlag {
		return "--" + s.name
	}
	return s.source
}

// find returns the setting of that name, or nil.
func find(all []setting, name string) *setting {
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return &all[i]
}

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
		if !slices.Contains([]string{"help", "version", "check"}, flag.Name) {
			all = append(all, settingFor(flag, line, env, file))
		}
	}
	return all
}

func settingFor(flag *kong.Flag, line *kong.Context, env *environment, file *configFile) setting {
	s := setting{flag: flag, name: flag.Name, value: shown(flag)}
	s.source, s.inFile = sourceOf(flag, line, env, file)
	return s
}

func sourceOf(flag *kong.Flag, line *kong.Context, env *environment, file *configFile) (source string, inFile bool) {
	for _, path := range line.Path {
		if path.Flag == flag && !path.Resolved {
			return fromFlag, false
		}
	}
	if name, _ := env.find(flag); name != "" {
		return name, false
	}
	if value, ok := file.values[flag.Value]; ok {
		return fmt.Sprintf("%s:%d", file.path, value.line), true
	}
	return fromDefault, false
}

// refuseNegative fails on numbers, sizes and durations that are negative, which
// means nothing in any command.
func refuseNegative(line *kong.Context, env *environment, file *configFile) error {
	var wrong []error
	for _, flag := range line.Flags() {
		switch number := flag.Target.Interface().(type) {
		case int, size, time.Duration:
			if reflect.ValueOf(number).Int() < 0 {
				s := settingFor(flag, line, env, file)
				wrong = append(wrong, fmt.Errorf("%s: %s is negative", s.place(), s.value))
			}
		}
	}
	return errors.Join(wrong...)
}

// pemBegin is what the text of a key or certificate begins with.
const pemBegin = "-----BEGIN"

// shown is a flag's value as text, without what may be secret in it.
func shown(flag *kong.Flag) string {
	items := texts(flag.Target)
	for i, item := range items {
		items[i] = shownAs(flag.PlaceHolder, item)
	}
	if text := strings.Join(items, ","); text != "" {
		return text
	}
	return "-"
}

// texts are the values of a flag: one, but of a list or mapping any number.
func texts(value reflect.Value) []string {
	var items []string
	switch {
	case value.Kind() == reflect.Slice && value.Type().Name() == "":
		for i := range value.Len() {
			items = append(items, fmt.Sprint(value.Index(i).Interface()))
		}
	case value.Kind() == reflect.Map:
		for rows := value.MapRange(); rows.Next(); {
			items = append(items, fmt.Sprintf("%v=%v", rows.Key(), rows.Value().Interface()))
		}
		slices.Sort(items)
	default:
		items = []string{fmt.Sprint(value.Interface())}
	}
	return items
}

// withoutSecrets is s, its URLs redacted, and without characters that would break
// the line or control the terminal.
func withoutSecrets(s string) string {
	if strings.Contains(s, pemBegin) {
		return "(not shown: text of a PEM file)" // it was to be the file's path
	}
	if strings.ContainsAny(s, "\r\n") {
		return "(not shown: several lines)" // it may be what that text has in it
	}
	words := strings.Split(s, " ")
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = redacted(word)
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(words, " "))
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
