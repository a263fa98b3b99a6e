package completion

import (
	"fmt"
	"strings"
)

func (p program) fish() string {
	var script strings.Builder
	fmt.Fprintf(&script, "# Completion of %[1]s for fish: %[1]s completion fish | source\n\ncomplete -c %[1]s -f\n", p.name)
	line := func(condition, rest string) {
		fmt.Fprintf(&script, "complete -c %s%s %s\n", p.name, condition, rest)
	}
	for _, f := range p.flags {
		line("", f.fish())
	}
	for _, c := range p.commands {
		line(" -n __fish_use_subcommand", "-a "+c.name+" -d "+fishQuoted(c.help))
	}
	for _, c := range p.commands {
		condition := " -n '__fish_seen_subcommand_from " + c.name + "'"
		switch {
		case c.words != nil:
			line(condition, "-a "+fishQuoted(strings.Join(c.words, " ")))
		case c.arguments:
			line(condition, "-F")
		}
		for _, f := range c.flags {
			line(condition, f.fish())
		}
	}
	return script.String()
}

// fish returns the flag as options of fish's complete.
func (f flag) fish() string {
	options := "-l " + f.name
	if f.short != "" {
		options += " -s " + f.short
	}
	switch {
	case f.value == "":
	case f.words != nil:
		options += " -x -a " + fishQuoted(strings.Join(f.words, " "))
	case f.file:
		options += " -r -F"
	default:
		options += " -x"
	}
	return options + " -d " + fishQuoted(f.help)
}

func fishQuoted(text string) string {
	return quoted(strings.ReplaceAll(text, `\`, `\\`), `\'`)
}
