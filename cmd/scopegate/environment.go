package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// environment gives flags the values of their environment variables, as the env
// tag names them; of several the first that is set and not empty counts. Kong
// would do so itself, but reads the process's environment alone.
type environment struct {
	getenv    func(string) string
	variables map[*kong.Value][]string
}

func newEnvironment(getenv func(string) string) *environment {
	return &environment{getenv: getenv, variables: make(map[*kong.Value][]string)}
}

// takeOver takes the variables from all flags, so that kong does not read them.
func (e *environment) takeOver(parser *kong.Kong) error {
	return kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && len(flag.Tag.Envs) > 0 {
			e.variables[flag.Value] = flag.Tag.Envs
			flag.Envs, flag.Tag.Envs = nil, nil
		}
		return next(nil)
	})
}

// Validate accepts every command line.
func (e *environment) Validate(*kong.Application) error { return nil }

// Resolve returns a flag's value, nil where no variable of it is set.
func (e *environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	name, value := e.find(flag)
	if name == "" {
		return nil, nil //nolint:nilnil // kong's way to say that there is no value
	}
	if err := tryParse(flag.Value, value); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return value, nil
}

// find returns the variable that sets a flag, and its value; empty strings where
// none does.
func (e *environment) find(flag *kong.Flag) (name, value string) {
	for _, name := range e.variables[flag.Value] {
		if value := e.getenv(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// format completes a flag's help by its default and its variables.
func (e *environment) format(value *kong.Value) string {
	help := value.Help
	if value.HasDefault && value.Default != "" && !value.IsBool() {
		help += " [default: " + value.Default + "]"
	}
	if names := e.variables[value]; len(names) > 0 {
		help += " [env: " + strings.Join(names, ", ") + "]"
	}
	return help
}
