package settings

import (
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

// Field returns the field that the flag sets. ok is false if it sets none, or if the
// command has to make the field's value from the flag's.
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

// takeDefaults gives the flags the defaults of the fields that they set.
func takeDefaults(parser *kong.Kong) error {
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
