package completion_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/completion"
)

type grammar struct {
	Run struct {
		Level string `enum:"low,high" default:"low" placeholder:"LEVEL" short:"l" help:"It's [one: or other], \\ or $HOME. More."`
		File  string `placeholder:"PATH" help:"A file."`
		Name  string `placeholder:"A:B" help:"A name."`
		Quick bool   `help:"Hurry."`
		In    string `arg:"" help:"Input."`
	} `cmd:"" help:"Run it's way."`
	Stop struct{} `cmd:"" help:"Stop."`
	Help struct {
		Command string `arg:"" optional:""`
	} `cmd:"" help:"Help."`
}

func scriptOf(t *testing.T, shell string) string {
	t.Helper()
	parser, err := kong.New(new(grammar), kong.Name("gate"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := completion.Script(shell, parser.Model)
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// Characters in a help that are special for the shell are quoted.
func TestScript(t *testing.T) {
	t.Parallel()
	for shell, wants := range map[string][]string{
		"bash": {
			"\t'run --level') takes_value=1 words='low high' ;;\n", "\t'run --file' | 'run --name') takes_value=1 ;;\n",
			"\trun) flags='--level --file --name --quick --help' words='' ;;\n", "\thelp) flags='--help' words='run stop help' ;;\n",
			"complete -o default -F _gate gate\n",
		},
		"zsh": {
			"\t\t'run:Run it'\\''s way.'\n", `'*--level=[It'\''s \[one\: or other\], \\ or $HOME]:LEVEL:(low high)' '*-l[`,
			"'*--file=[A file]:PATH:_files'", `'*--name=[A name]:A\:B: '`, "'*--quick[Hurry]'", "'*:file:_files'",
			"'*:argument:(run stop help)'", "#compdef gate\n",
		},
		"fish": {
			`complete -c gate -n __fish_use_subcommand -a run -d 'Run it\'s way.'` + "\n",
			`-l level -s l -x -a 'low high' -d 'It\'s [one: or other], \\ or $HOME'` + "\n",
			"-l file -r -F -d", "-l name -x -d", "-l quick -d", "'__fish_seen_subcommand_from run' -F\n", "from help' -a 'run stop help'\n",
		},
	} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			script := scriptOf(t, shell)
			for _, want := range wants {
				if !strings.Contains(script, want) {
					t.Errorf("got no %q, want it in\n%s", want, script)
				}
			}
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("no %s here", shell)
			}
			path := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), shell, "-n", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s -n: got %v, %s, want nothing", shell, err, out)
			}
		})
	}
}

func TestUnknownShell(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(new(grammar))
	if err != nil {
		t.Fatal(err)
	}
	if script, err := completion.Script("tcsh", parser.Model); err == nil {
		t.Errorf("got %q, want an error", script)
	}
}
