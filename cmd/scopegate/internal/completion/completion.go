// Package completion writes scripts that complete the command line in shells. Start at
// [Script].
package completion

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells lists the supported shells.
const Shells = "bash,zsh,fish"

// Script returns the script for one of Shells.
func Script(shell string, app *kong.Application) (string, error) {
	p := programOf(app)
	switch shell {
	case "bash":
		return p.bash(), nil
	case "zsh":
		return p.zsh(), nil
	case "fish":
		return p.fish(), nil
	}
	return "", fmt.Errorf("no completion for %q; use one of %s", shell, Shells)
}

// program describes the command line for a script.
type program struct {
	name     string
	flags    []flag // of all commands
	commands []command
}

type command struct {
	name, help string
	flags      []flag
	// arguments means that there are arguments. They are files, unless words lists them.
	arguments bool
	words     []string
}

type flag struct {
	name, short, help string
	// value is the placeholder of the flag's value, or empty if it has none. The value is a
	// file, or one of words; if neither, it is unknown.
	value string
	file  bool
	words []string
}

func programOf(app *kong.Application) program {
	p := program{name: app.Name, flags: flagsOf(app.Node)}
	var names []string
	for _, node := range app.Children {
		names = append(names, node.Name)
	}
	for _, node := range app.Children {
		c := command{name: node.Name, help: node.Help, flags: flagsOf(node), arguments: len(node.Positional) > 0}
		for _, argument := range node.Positional {
			switch {
			case argument.Enum != "":
				c.words = argument.EnumSlice()
			case argument.Name == "command":
				c.words = names
			}
		}
		p.commands = append(p.commands, c)
	}
	return p
}

// placeOfFile is the placeholder of flags whose value is a file.
const placeOfFile = "PATH"

func flagsOf(node *kong.Node) []flag {
	var flags []flag
	for _, f := range node.Flags {
		made := flag{name: f.Name, help: firstSentence(f.Help)}
		if f.Short != 0 {
			made.short = string(f.Short)
		}
		if !f.IsBool() {
			made.value = f.PlaceHolder
			made.file = f.PlaceHolder == placeOfFile
			if f.Enum != "" {
				made.words = f.EnumSlice()
			}
		}
		flags = append(flags, made)
	}
	return flags
}

// firstSentence returns a help's first sentence, without the period.
func firstSentence(help string) string {
	sentence, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(sentence, ".")
}

// names returns the flags as on the command line.
func names(flags []flag) []string {
	var all []string
	for _, f := range flags {
		all = append(all, "--"+f.name)
	}
	return all
}

// commandNames returns the names of the commands.
func (p program) commandNames() []string {
	var all []string
	for _, c := range p.commands {
		all = append(all, c.name)
	}
	return all
}

// quoted returns text in single quotes. Inside them, end stands for a quote.
func quoted(text, end string) string {
	return "'" + strings.ReplaceAll(text, "'", end) + "'"
}
