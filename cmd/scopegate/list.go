package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// tidyLists takes the blanks around the elements of all lists, and empty elements,
// out. It fails on a list that has nothing else, unless nothing is what the list has
// by default.
func tidyLists(line *kong.Context, env *environment, file *configFile) error {
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
			wrong = append(wrong, fmt.Errorf("%s: the list is empty", settingFor(flag, line, env, file).place()))
		}
		flag.Target.Set(reflect.ValueOf(kept))
	}
	return errors.Join(wrong...)
}
