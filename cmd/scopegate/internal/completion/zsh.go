package completion

import (
	"fmt"
	"strings"
)

// zsh returns a script that can be sourced, or be a file in fpath.
func (p program) zsh() string {
	var commands, arguments strings.Builder
	for _, c := range p.commands {
		fmt.Fprintf(&commands, "\t\t%s\n", zshQuoted(c.name+":"+c.help))
		fmt.Fprintf(&arguments, "\t\t%s)\n\t\t\t_arguments", c.name)
		for _, f := range c.flags {
			arguments.WriteString(" \\\n\t\t\t\t" + f.zsh())
		}
		switch {
		case c.words != nil:
			fmt.Fprintf(&arguments, " \\\n\t\t\t\t'*:argument:(%s)'", strings.Join(c.words, " "))
		case c.arguments:
			arguments.WriteString(" \\\n\t\t\t\t'*:file:_files'")
		}
		for _, f := range p.flags {
			arguments.WriteString(" \\\n\t\t\t\t" + f.zsh())
		}
		arguments.WriteString("\n\t\t\t;;\n")
	}
	var flags []string
	for _, f := range p.flags {
		flags = append(flags, f.zsh())
	}
	return strings.NewReplacer(
		"PROGRAM", p.name, "FLAGS", strings.Join(flags, " \\\n\t\t"),
		"\t\tCOMMANDS\n", commands.String(), "\t\tARGUMENTS\n", arguments.String(),
	).Replace(zshScript)
}

// zsh returns the flag as an argument of _arguments. A flag may be repeated.
func (f flag) zsh() string {
	spec := "*--" + f.name
	if f.value != "" {
		spec += "="
	}
	spec += "[" + zshPlain(f.help) + "]"
	switch {
	case f.value == "":
	case f.words != nil:
		spec += ":" + zshPlain(f.value) + ":(" + strings.Join(f.words, " ") + ")"
	case f.file:
		spec += ":" + zshPlain(f.value) + ":_files"
	default:
		spec += ":" + zshPlain(f.value) + ": "
	}
	spec = zshQuoted(spec)
	if f.short != "" {
		spec += " " + zshQuoted("*-"+f.short+"["+zshPlain(f.help)+"]")
	}
	return spec
}

// zshPlain escapes the special characters of _arguments.
func zshPlain(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}

func zshQuoted(text string) string { return quoted(text, `'\''`) }

const zshScript = `#compdef PROGRAM
# Completion of PROGRAM for zsh: source <(PROGRAM completion zsh)

_PROGRAM() {
	local state line
	local -a commands
	commands=(
		COMMANDS
	)
	_arguments -C \
		FLAGS \
		'1:command:->command' \
		'*::argument:->argument'
	case $state in
	command)
		_describe command commands
		;;
	argument)
		case $words[1] in
		ARGUMENTS
		esac
		;;
	esac
}

if [[ ${funcstack[1]} == _PROGRAM ]]; then
	_PROGRAM "$@"
else
	compdef _PROGRAM PROGRAM
fi
`
