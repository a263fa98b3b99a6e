package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// check prints the settings and what follows from them. It prepares a server, to find
// out whether it would start, and shuts it down again.
func (c *serveCommand) check(ctx context.Context, w io.Writer, all settings.List, prepare func() (ready, error)) error {
	if err := all.Print(w); err != nil {
		return err
	}
	prepared, err := prepare()
	if err != nil {
		return err
	}
	prepared.describe(w, c)
	err = prepared.server.Shutdown(ctx)
	prepared.endTraces()
	if err != nil {
		return &settings.UsageError{Err: err}
	}
	fmt.Fprintln(w, "\nok: the server would start")
	return nil
}

// describe prints what follows from several settings together.
func (r ready) describe(w io.Writer, c *serveCommand) {
	key := "without an API key"
	if r.destination.apiKey != "" {
		key = "with an API key"
	}
	fmt.Fprintf(w, "\nintake: %s %s, chosen by %s\n", settings.Redacted(r.destination.url), key, r.destination.source)
	for _, d := range r.server.Destinations() {
		fmt.Fprintf(w, "proxy to %s: %s\n", d.Intake, cmp.Or(d.Proxy, noProxy))
	}
	fmt.Fprintf(w, "memory limit: %v\n", c.Limits.MemoryLimit)
	if r.destination.keyIsExposed() {
		fmt.Fprintf(w, "warning: %s\n", keyIsExposed)
	}
}

// noProxy is shown if batches go straight to the intake.
const noProxy = "none"
