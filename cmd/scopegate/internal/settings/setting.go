package settings

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/server"
)

// Setting is a flag's value, and where it is from.
type Setting struct {
	flag *kong.Flag
	// Name is the flag's, without the dashes.
	Name string
	// Value is the value as people may see it.
	Value string
	// Source is FromDefault, a flag, the name of a variable, a file with a line, or what
	// was found instead of a default.
	Source string
	inFile bool
}

// FromDefault is the source of a setting that nobody has set.
const FromDefault = "default"

const fromFlag = "flag"

// Found replaces a value by one that was found elsewhere.
func (s *Setting) Found(value, source string) { s.Value, s.Source, s.inFile = value, source, false }

// Place says where the setting stands, and its name there, in the form that kong has
// for a value that it can't read.
func (s *Setting) Place() string {
	switch {
	case s.Source == fromFlag:
		return "--" + s.Name
	case s.inFile:
		return s.Source + ": " + s.Name
	}
	return "--" + s.Name + ": " + s.Source
}

// ChosenBy names the flag or source that has set the value.
func (s *Setting) ChosenBy() string {
	if s.Source == fromFlag {
		return "--" + s.Name
	}
	return s.Source
}

// List is the settings of a command.
type List []Setting

// Find returns the setting of that name, or nil.
func (l List) Find(name string) *Setting {
	i := slices.IndexFunc(l, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &l[i]
}

// Print writes the settings as a table.
func (l List) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, s := range l {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Name, s.Value, s.Source)
	}
	return table.Flush()
}

// Configure sets the fields of cfg that the settings' flags are bound to.
func (l List) Configure(cfg *server.Config) {
	for _, s := range l {
		if field, ok := Field(cfg, s.flag); ok {
			field.Set(s.flag.Target.Convert(field.Type()))
		}
	}
}

// Explain returns an error about a field of the server's configuration in the operator's
// terms: where the setting stands, its name, and its value as people may see it. It
// returns other errors as they are.
func (l List) Explain(err error) error {
	wrong, ok := errors.AsType[*server.ConfigError](err)
	if !ok {
		return err
	}
	for _, s := range l {
		if s.flag.Tag.Get(fieldTag) == wrong.Field {
			return fmt.Errorf("%s: %s %s", s.Place(), s.Value, wrong.Reason)
		}
	}
	return err
}

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
