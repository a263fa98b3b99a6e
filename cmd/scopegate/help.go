package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// firstFlags are the flags that most people need. The help of these commands shows only
// them; --help-all shows all.
var firstFlags = map[string][]string{
	"serve": {
		"config", "check", "listen", "intake-url", "api-key-file", "tls-cert", "tls-key", "tls-client-ca",
		"tenants-file", "memory-limit", "spool-dir", "admin-listen", "log-level", "log-format",
	},
	"upload": {
		"server", "token-file", "timeout", "tls", "ca", "service", "env", "service-version", "language",
		"main-module", "json", "quiet",
	},
}

const (
	description = `Receive the scopes of programs (packages, classes and functions, with their symbols) from tracers
over gRPC, and forward them to an HTTP intake, in batches of gzipped JSON.

To see it work:
  scopegate demo

To see it work in three terminals:
  scopegate intake --listen 127.0.0.1:8127
  scopegate serve --intake-url http://127.0.0.1:8127/symdb/v1/input
  scopegate upload ./my-go-binary

A flag overrides its environment variable, which overrides the default. serve also takes a
configuration file, which overrides only the default.`

	exitCodes = `
Exit codes:
    0  success; a server stopped when asked to
    1  any other failure: permission denied by the server, a bug in it, data
       refused by the intake, an address in use, a difference found by demo or
       compare, no answer or a bad one to health or status
    2  wrong usage or configuration, such as no command. Also: the server does
       not speak gRPC or TLS, its certificate is not trusted, or compare could
       not compare
    3  wrong input: the binary or NDJSON can't be read, a stripped binary,
       malformed NDJSON, scopes or metadata refused by the server
    4  the delivery failed, and may succeed later: server or intake unreachable,
       overloaded or stopping, or a timeout
  130  interrupted by a signal; a second one kills: 128 + its number
`
)

// helpPrinter prints the help of the program and of its commands.
type helpPrinter struct {
	all bool // show all flags
}

func (p *helpPrinter) print(options kong.HelpOptions, line *kong.Context) error {
	command := line.Selected()
	hidden := p.hideFlags(line.Model.Node, command)
	if err := kong.DefaultHelpPrinter(options, line); err != nil {
		return &helpError{err}
	}
	var end string
	switch {
	case command == nil:
		end = exitCodes
	case hidden > 0:
		end = fmt.Sprintf("\nRun \"%s --help-all\" to see the other %d flags.\n", command.FullPath(), hidden)
	}
	if _, err := io.WriteString(line.Stdout, end); err != nil {
		return &helpError{err}
	}
	return nil
}

// helpError is a failure to print the help.
type helpError struct{ err error }

func (e *helpError) Error() string { return "print the help: " + e.err.Error() }
func (e *helpError) Unwrap() error { return e.err }

// hideFlags hides the flags that are not for this help, and returns how many of the
// command's own are hidden.
func (p *helpPrinter) hideFlags(program, command *kong.Node) (hidden int) {
	var first []string
	if command != nil {
		first = firstFlags[command.Name]
	}
	for _, flag := range program.Flags {
		flag.Hidden = flag.Name == helpAll && first == nil
	}
	if first == nil || p.all {
		return 0
	}
	for _, flag := range command.Flags {
		if !slices.Contains(first, flag.Name) {
			flag.Hidden = true
			hidden++
		}
	}
	return hidden
}

const helpAll = "help-all"

// helpAllFlag prints the help with all flags.
type helpAllFlag bool

// BeforeReset runs before kong requires arguments, as it does for --help.
func (helpAllFlag) BeforeReset(line *kong.Context, p *helpPrinter) error {
	p.all = true
	if err := line.PrintUsage(false); err != nil {
		return err
	}
	line.Exit(exitOK)
	return nil
}

type helpCommand struct {
	Command string `arg:"" optional:"" help:"The command to explain. By default the program."`
}

// withoutHelpCommand returns the arguments with `COMMAND --help-all` in place of
// `help COMMAND --help-all`, which would explain the command help.
func withoutHelpCommand(args []string) []string {
	i := slices.Index(args, "--"+helpAll)
	if len(args) != 3 || args[0] != "help" || i < 0 {
		return args
	}
	return []string{args[3-i], args[i]}
}

// Run prints what --help prints.
func (c *helpCommand) Run(line *kong.Context) error {
	var args []string
	if c.Command != "" {
		var names []string
		for _, command := range line.Model.Children {
			names = append(names, command.Name)
		}
		if !slices.Contains(names, c.Command) {
			return &settings.UsageError{Err: fmt.Errorf("unknown command %q; the commands are %s",
				c.Command, strings.Join(names, ", "))}
		}
		args = []string{c.Command}
	}
	explained, err := kong.Trace(line.Kong, args)
	if err != nil {
		return err
	}
	if err := explained.PrintUsage(false); !errors.Is(err, syscall.EPIPE) { // nobody reads on
		return err
	}
	return nil
}

// explainUsage prints the help of a program that was called without a command. It is
// wrong usage, so that a container or a script whose arguments got lost fails.
func explainUsage(parser *kong.Kong, stderr io.Writer) int {
	parser.Stdout = stderr
	if empty, err := kong.Trace(parser, nil); err == nil {
		_ = empty.PrintUsage(false)
	}
	fmt.Fprintln(stderr, "\nscopegate: no command; try \"scopegate demo\"")
	return exitUsage
}

// helpFor returns the command line that explains the command in which an error is.
func helpFor(line *kong.Context, err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
		line = wrong.Context
	}
	if line != nil && line.Selected() != nil {
		return line.Selected().FullPath() + " --help"
	}
	return "scopegate --help"
}
