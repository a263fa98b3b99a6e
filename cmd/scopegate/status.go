package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/adminport"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// askFlags say which admin port to ask.
//
//nolint:lll // a struct tag can't be broken
type askFlags struct {
	Admin   string        `default:"auto" placeholder:"ADDRESS" env:"SCOPEGATE_ADMIN_LISTEN" help:"Admin port of the server, as in its --admin-listen: host:port or unix:///path. auto: 127.0.0.1:6060."`
	Timeout time.Duration `default:"5s" placeholder:"DURATION" help:"How long to wait for the answer. 0: as long as it takes."`
}

// open returns the admin port. Its errors are a [*settings.UsageError].
func (f *askFlags) open(all settings.List) (*adminport.Port, error) {
	address := f.Admin
	place := all.Find("admin").Place()
	switch address {
	case adminAuto:
		address = adminDefault
	case adminNone:
		return nil, &settings.UsageError{Err: errors.New(place + ": the server has no admin port: start it with --admin-listen")}
	}
	port, err := adminport.Open(address)
	if err != nil {
		return nil, &settings.UsageError{Err: fmt.Errorf("%s: %w", place, err)}
	}
	return port, nil
}

// limit returns a context with the timeout.
func (f *askFlags) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.Timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, f.Timeout)
}

type statusCommand struct {
	Ask askFlags `embed:""`

	JSON bool `name:"json" help:"Print the JSON that the server sends, with all uploads and failures it shows."`
}

// Help returns the text between the first line of the command's help and its flags.
func (statusCommand) Help() string {
	return `It asks the admin port, and prints the content of its page: problems, memory, the intake, uploads in flight, and
the last failures.

    scopegate status
    scopegate status --admin unix:///run/scopegate-admin.socket
    scopegate status --json | jq .problems

The admin port answers only its own host, unless the server runs with --admin-open. docs/admin.md describes the JSON.
The exit code is 0 if the server answers, whatever its state. For health checks, use scopegate health.`
}

// Run prints the server's status.
func (c *statusCommand) Run(ctx context.Context, s *surroundings, line *kong.Context, sources *settings.Sources) error {
	port, err := c.Ask.open(sources.List(line))
	if err != nil {
		return err
	}
	ctx, cancel := c.Ask.limit(ctx)
	defer cancel()
	text, err := port.Status(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err = s.stdout.Write(text)
		return err
	}
	status, err := adminport.Parse(text)
	if err != nil {
		return err
	}
	return adminport.Print(s.stdout, port.Address(), status)
}
