package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// surroundings is everything that a command uses of its process.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// bufferOutput keeps slow readers of stdout and stderr from blocking the command. Commands
// that serve call it before they print anything.
func (s *surroundings) bufferOutput() {
	s.stdout, s.stderr = newOutput(s.stdout), newOutput(s.stderr)
}

// maxErrorBytes bounds the error that ends a command, which may repeat its input.
const maxErrorBytes = 16 << 10

type grammar struct {
	Serve      serveCommand      `cmd:"" help:"Serve the gRPC API and forward uploads to an intake."`
	Upload     uploadCommand     `cmd:"" help:"Upload the symbols of a Go binary, or scopes from lines of JSON, to a server."`
	Inspect    inspectCommand    `cmd:"" help:"Show what an upload of a Go binary would contain, without a server."`
	Health     healthCommand     `cmd:"" help:"Check whether a server is up and not stopping."`
	Status     statusCommand     `cmd:"" help:"Show the state of a running server, and its problems."`
	Intake     intakeCommand     `cmd:"" help:"Run a development intake that checks, stores and shows batches."`
	Compare    compareCommand    `cmd:"" help:"Compare the scopes of two uploads."`
	Demo       demoCommand       `cmd:"" help:"Run intake, server and upload in one process, and check what arrives."`
	Token      tokenCommand      `cmd:"" help:"Make a token for a tenant, and its hash for the server."`
	Version    versionCommand    `cmd:"" help:"Print the version, the commit, the Go version and the platform."`
	Completion completionCommand `cmd:"" help:"Print a script for command-line completion in a shell."`
	Help       helpCommand       `cmd:"" help:"Show the help of a command."`

	HelpAll      helpAllFlag      `name:"help-all" help:"Show this help with all flags."`
	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// run executes the command line args and returns its exit code. If ctx is canceled, it
// stops early and in order. environ are the variables to look for mistyped names in, in the
// form of os.Environ.
func run(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string, environ ...string,
) int {
	var cli grammar
	exited := false
	getenv = acceptFormerNames(getenv, func(former, name string) {
		if !exited { // by --help, which reads variables after it was printed
			fmt.Fprintf(newOutput(stderr), "scopegate: the variable %s is deprecated: use %s instead\n", former, name)
		}
	})
	around := &surroundings{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	sources := settings.NewSources(getenv)
	help := &helpPrinter{}
	parser, err := kong.New(&cli, slices.Concat(sources.Options(), []kong.Option{
		kong.Name("scopegate"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{
			Compact: true, WrapUpperBound: 100, NoAppDescFormat: true, NoExpandSubcommands: true, FlagsLast: true,
		}),
		kong.Help(help.print),
		kong.Bind(help),
		kong.Vars{"version": thisBuild().version},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(around),
	})...)
	if err != nil {
		fmt.Fprintf(stderr, "scopegate: build the command line: %v\n", err)
		return exitFailure
	}
	if len(args) == 0 {
		return explainUsage(parser, newOutput(stderr))
	}
	command, err := parser.Parse(withoutHelpCommand(args))
	if err == nil && !exited {
		err = sources.Check(command)
	}
	switch {
	case exited, errors.Is(err, syscall.EPIPE): // help was printed, or nobody reads it
		return exitOK
	case isType[*helpError](err):
		fmt.Fprintf(newOutput(stderr), "scopegate: %v\n", err)
		return exitFailure
	case err != nil:
		fmt.Fprintf(newOutput(stderr), "scopegate: %s\nRun \"%s\" for help.\n",
			settings.ConcealArguments(err.Error(), args), helpFor(command, err))
		if errors.Is(err, context.Canceled) { // while a pipe was read
			return exitInterrupted
		}
		return exitUsage
	}
	for _, unknown := range unknownVariables(environ, command.Selected().Name, parser.Model.Node, sources) {
		fmt.Fprintf(newOutput(stderr), "scopegate: unknown variable %s: did you mean %s?\n", unknown.name, unknown.meant)
	}
	err = command.Run()
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		err = &interruptedError{err}
	}
	if err != nil {
		fmt.Fprintf(around.stderr, "scopegate %s: %s\n", command.Selected().Name,
			settings.Shortened(settings.ConcealSettings(err.Error(), command), maxErrorBytes))
	}
	return code
}
