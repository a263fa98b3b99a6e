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

// Setting is a flag's value and its source.
type Setting struct {
	flag *kong.Flag
	// Name is the flag's, without the dashes.
	Name string
	// Value is the value without secrets.
	Value string
	// Source is FromDefault, "flag", the name of a variable, a file with a line, or the
	// source given to [Setting.Found].
	Source string
	inFile bool
}

// FromDefault is the source of a setting that has its default.
const FromDefault = "default"

const fromFlag = "flag"

// Found replaces a default by a value that was found elsewhere.
func (s *Setting) Found(value, source string) { s.Value, s.Source, s.inFile = value, source, false }

// Place returns the setting's source and name, in the form of kong's errors.
func (s *Setting) Place() string {
	switch {
	case s.Source == fromFlag:
		return "--" + s.Name
	case s.inFile:
		return s.Source + ": " + s.Name
	}
	return "--" + s.Name + ": " + s.Source
}

// ChosenBy returns the flag or source that has set the value.
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

// Configure sets the fields of cfg that the settings' flags name.
func (l List) Configure(cfg *server.Config) {
	for _, s := range l {
		if field, ok := Field(cfg, s.flag); ok {
			field.Set(s.flag.Target.Convert(field.Type()))
		}
	}
}

// Explain turns an error about a field of the server's configuration, or about the file
// that it names, into one about the setting: its source, name and value. It returns other
// errors unchanged.
func (l List) Explain(err error) error {
	if inFile, ok := errors.AsType[*server.FileError](err); ok {
		if s := l.ofField(inFile.Field); s != nil {
			return fmt.Errorf("%s: %w", s.Place(), inFile.Err)
		}
	}
	if wrong, ok := errors.AsType[*server.ConfigError](err); ok {
		if s := l.ofField(wrong.Field); s != nil {
			value := s.Value
			if value == notURL {
				value = "the value"
			}
			return fmt.Errorf("%s: %s %s", s.Place(), value, l.withNames(wrong.Reason))
		}
	}
	return err
}

// ofField returns the setting of a field of the server's configuration, or nil.
func (l List) ofField(field string) *Setting {
	for i := range l {
		if l[i].flag.Tag.Get(fieldTag) == field {
			return &l[i]
		}
	}
	return nil
}

// withNames returns a text with the names of settings in place of those of fields.
func (l List) withNames(text string) string {
	for _, s := range l {
		if field := s.flag.Tag.Get(fieldTag); field != "" {
			text = strings.ReplaceAll(text, field, "--"+s.Name)
		}
	}
	return text
}

// shown returns a flag's value as text, without secrets.
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

// texts returns the elements of a list or mapping as text, and of another value its text.
func texts(value reflect.Value) []string {
	var items []string
	switch {
	case value.Kind() == reflect.Slice && value.Type().Name() == "":
		for _, item := range value.Seq2() {
			items = append(items, fmt.Sprint(item.Interface()))
		}
	case value.Kind() == reflect.Map:
		for key, item := range value.Seq2() {
			items = append(items, fmt.Sprintf("%v=%v", key, item.Interface()))
		}
		slices.Sort(items)
	default:
		items = []string{fmt.Sprint(value.Interface())}
	}
	return items
}

// fieldTag is the tag with the field of [server.Config] that a flag sets, in the form of
// [server.ConfigError]. The field's default is the flag's, unless a tag has another.
const fieldTag = "field"

// Field returns the field of cfg that the flag sets. ok is false if there is none, or if
// the command has to derive the field's value.
func Field(cfg *server.Config, flag *kong.Flag) (field reflect.Value, ok bool) {
	path := flag.Tag.Get(fieldTag)
	if path == "" {
		return reflect.Value{}, false
	}
	field = reflect.ValueOf(cfg).Elem()
	for name := range strings.SplitSeq(path, ".") {
		field = field.FieldByName(name)
	}
	return field, flag.Target.CanConvert(field.Type())
}

// setDefaults gives the flags the defaults of the fields that they set.
func setDefaults(parser *kong.Kong) error {
	cfg := server.DefaultConfig()
	return kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && !flag.HasDefault && !flag.IsBool() {
			if field, ok := Field(&cfg, flag); ok {
				flag.Default = fmt.Sprint(field.Convert(flag.Target.Type()).Interface())
				flag.HasDefault = flag.Default != ""
			}
		}
		return next(nil)
	})
}

// UsageError is a wrong flag, variable, key of the configuration file, or combination of
// them.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }
