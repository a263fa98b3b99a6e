package main

import (
	"io"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/completion"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help returns the text between the first line of the command's help and its flags.
func (completionCommand) Help() string {
	return `The script completes commands, flags and files. To load it into the current shell:

    source <(scopegate completion bash)
    source <(scopegate completion zsh)
    scopegate completion fish | source

To load it into each new shell, add that line to ~/.bashrc, to ~/.zshrc below compinit, or to ~/.config/fish/config.fish.`
}

// Run prints the script.
func (c *completionCommand) Run(s *surroundings, line *kong.Context) error {
	script, err := completion.Script(c.Shell, line.Model)
	if err != nil {
		return &settings.UsageError{Err: err}
	}
	_, err = io.WriteString(s.stdout, script)
	return err
}
