package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/server"
)

// fieldTag names the field of [server.Config] that a flag sets, as
// [server.ConfigError] names it. The flag has that field's default, unless its tag has
// one.
const fieldTag = "field"

// fieldOf returns the field that the flag sets. ok is false if it sets none, or if the
// command has to make the field's value from the flag's.
func fieldOf(cfg *server.Config, flag *kong.Flag) (field reflect.Value, ok bool) {
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

// takeDefaults gives the flags the defaults of the fields that they set.
func takeDefaults(parser *kong.Kong) error {
	cfg := server.DefaultConfig()
	return kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && !flag.HasDefault && !flag.IsBool() {
			if field, ok := fieldOf(&cfg, flag); ok {
				flag.Default = fmt.Sprint(field.Convert(flag.Target.Type()).Interface())
				flag.HasDefault = flag.Default != ""
			}
		}
		return next(nil)
	})
}

// setField sets the field of cfg that the flag sets, if any.
func setField(cfg *server.Config, flag *kong.Flag) {
	if field, ok := fieldOf(cfg, flag); ok {
		field.Set(flag.Target.Convert(field.Type()))
	}
}

// inSettings returns an error of the server in the operator's terms: where the setting
// stands, its name, and its value as it is shown.
func inSettings(err error, all []setting) error {
	wrong, ok := errors.AsType[*server.ConfigError](err)
	if !ok {
		return err
	}
	for _, s := range all {
		if s.flag.Tag.Get(fieldTag) == wrong.Field {
			return fmt.Errorf("%s: %s %s", s.place(), s.value, wrong.Reason)
		}
	}
	return err
}
