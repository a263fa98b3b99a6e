// Package settings reads the command's flags: from the command line, environment
// variables, a configuration file, or the defaults of the server's configuration. Start
// at [Sources].
//
// The field tag of a serve flag names the field of [server.Config] that the flag sets.
// The flag's default, and its name in errors about the field, follow from it. A value is
// shown only if it has the form expected there, because people put keys in the wrong
// place.
package settings

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Sources gives flags their values from environment variables, which their env tags name,
// and a configuration file.
type Sources struct {
	getenv    func(string) string
	variables map[*kong.Value][]string
	file      configFile
}

// NewSources returns sources that read variables by getenv. Kong itself could only read
// those of its own process.
func NewSources(getenv func(string) string) *Sources {
	return &Sources{getenv: getenv, variables: make(map[*kong.Value][]string)}
}

// Options returns the parser's options to use the sources.
func (s *Sources) Options() []kong.Option {
	return []kong.Option{
		kong.ValueFormatter(s.format),
		kong.PostBuild(s.takeVariables),
		kong.PostBuild(setDefaults),
		kong.KindMapper(reflect.Int, kong.MapperFunc(decodeInteger)),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeDuration)),
		kong.TypeMapper(reflect.TypeFor[Size](), kong.MapperFunc(decodeSize)),
		kong.Resolvers(&s.file, s), // the last one that has a value wins
		kong.Bind(s),
	}
}

// takeVariables moves the variables from all flags to s, so that kong does not read them.
func (s *Sources) takeVariables(parser *kong.Kong) error {
	return kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Tag.Envs) > 0 {
			s.variables[flag.Value] = flag.Tag.Envs
			flag.Envs, flag.Tag.Envs = nil, nil
		}
		return next(nil)
	})
}

// Variables returns the names of the variables that set a flag. The first that is not
// empty applies.
func (s *Sources) Variables(flag *kong.Flag) []string { return s.variables[flag.Value] }

// variable returns the variable that sets a flag, and its value, or empty strings.
func (s *Sources) variable(flag *kong.Flag) (name, value string) {
	for _, name := range s.Variables(flag) {
		if value := s.getenv(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// Validate accepts every command line.
func (s *Sources) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's value, or nil if none of its variables is set.
func (s *Sources) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	name, value := s.variable(flag)
	if name == "" {
		return nil, nil //nolint:nilnil // kong's way to say that there is no value
	}
	if err := tryParse(flag.Value, value); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

// format returns a flag's help with its default and its variables.
func (s *Sources) format(value *kong.Value) string {
	help := value.Help
	if value.HasDefault && value.Default != "" && !value.IsBool() {
		help += " [default: " + value.Default + "]"
	}
	if names := s.variables[value]; len(names) > 0 {
		help += " [env: " + strings.Join(names, ", ") + "]"
	}
	return help
}

// LoadFile loads the configuration file whose path is the value of the named flag or its
// variable. It must be called before flags are resolved.
func (s *Sources) LoadFile(ctx context.Context, line *kong.Context, name string) error {
	flags := line.Flags()
	i := slices.IndexFunc(flags, func(flag *kong.Flag) bool { return flag.Name == name })
	if i < 0 {
		return nil
	}
	path, _ := line.FlagValue(flags[i]).(string)
	if path == "" {
		_, path = s.variable(flags[i])
	}
	if path == "" {
		return nil
	}
	return s.file.load(ctx, path, flags)
}

// List returns the settings of the command, in the order of its help.
func (s *Sources) List(line *kong.Context) List {
	var all List
	for _, flag := range line.Flags() {
		if !slices.Contains([]string{"help", "help-all", "version", "check"}, flag.Name) {
			all = append(all, s.setting(flag, line))
		}
	}
	return all
}

func (s *Sources) setting(flag *kong.Flag, line *kong.Context) Setting {
	made := Setting{flag: flag, Name: flag.Name, Value: shown(flag), Source: FromDefault}
	for _, path := range line.Path {
		if path.Flag == flag && !path.Resolved {
			made.Source = fromFlag
			return made
		}
	}
	if name, _ := s.variable(flag); name != "" {
		made.Source = name
	} else if value, ok := s.file.values[flag.Value]; ok {
		made.Source, made.inFile = fmt.Sprintf("%s:%d", s.file.path, value.line), true
	}
	return made
}

// Check fails on negative numbers, sizes and durations, and on lists without elements. It
// trims the elements of lists and removes empty ones.
func (s *Sources) Check(line *kong.Context) error {
	return errors.Join(s.refuseNegative(line), s.tidyLists(line))
}

func (s *Sources) refuseNegative(line *kong.Context) error {
	var wrong []error
	for _, flag := range line.Flags() {
		switch number := flag.Target.Interface().(type) {
		case int, Size, time.Duration:
			if reflect.ValueOf(number).Int() < 0 {
				setting := s.setting(flag, line)
				wrong = append(wrong, fmt.Errorf("%s: %s is negative", setting.Place(), setting.Value))
			}
		}
	}
	return errors.Join(wrong...)
}

// tidyLists trims the elements of lists and removes empty ones. It fails if nothing is
// left, unless the list was empty and is so by default.
func (s *Sources) tidyLists(line *kong.Context) error {
	var wrong []error
	for _, flag := range line.Flags() {
		items, ok := reflect.TypeAssert[[]string](flag.Target)
		if !ok {
			continue
		}
		var kept []string
		for _, item := range items {
			if item = strings.TrimSpace(item); item != "" {
				kept = append(kept, item)
			}
		}
		if len(kept) == 0 && (len(items) > 0 || flag.HasDefault) {
			setting := s.setting(flag, line)
			wrong = append(wrong, fmt.Errorf("%s: the list is empty", setting.Place()))
		}
		flag.Target.Set(reflect.ValueOf(kept))
	}
	return errors.Join(wrong...)
}
