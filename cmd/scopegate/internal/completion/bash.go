package completion

import (
	"fmt"
	"slices"
	"strings"
)

// bash returns a script that needs bash 3.2 alone, not the package bash-completion.
func (p program) bash() string {
	var values, commands strings.Builder
	for _, c := range p.commands {
		fmt.Fprintf(&commands, "\t%s) flags='%s' words='%s' ;;\n",
			c.name, strings.Join(slices.Concat(names(c.flags), names(p.flags)), " "), strings.Join(c.words, " "))
		var unknown []string
		for _, f := range c.flags {
			place := fmt.Sprintf("'%s --%s'", c.name, f.name)
			switch {
			case f.value == "":
			case f.words != nil:
				fmt.Fprintf(&values, "\t%s) takes_value=1 words='%s' ;;\n", place, strings.Join(f.words, " "))
			default:
				unknown = append(unknown, place)
			}
		}
		if unknown != nil {
			fmt.Fprintf(&values, "\t%s) takes_value=1 ;;\n", strings.Join(unknown, " | "))
		}
	}
	return strings.NewReplacer(
		"PROGRAM", p.name, "COMMANDS", strings.Join(p.commandNames(), " "), "ALTERNATIVES", strings.Join(p.commandNames(), " | "),
		"FLAGS", strings.Join(names(p.flags), " "), "\tOF_COMMANDS\n", commands.String(), "\tOF_VALUES\n", values.String(),
	).Replace(bashScript)
}

// bashScript leaves files to readline, which completes them where it finds nothing.
const bashScript = `# Completion of PROGRAM for bash: source <(PROGRAM completion bash)

_PROGRAM() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' flags='' words='' takes_value='' i
	# bash takes --flag=value for three words.
	if [[ $current == = ]]; then
		current=''
	elif [[ $previous == = ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		ALTERNATIVES)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case "$command $previous" in
	OF_VALUES
	esac
	if [[ -n $takes_value ]]; then
		COMPREPLY=($(compgen -W "$words" -- "$current"))
		return
	fi
	case $command in
	'') flags='FLAGS' words='COMMANDS' ;;
	OF_COMMANDS
	esac
	if [[ $current == -* ]]; then
		words=$flags
	fi
	COMPREPLY=($(compgen -W "$words" -- "$current"))
}

complete -o default -F _PROGRAM PROGRAM
`
