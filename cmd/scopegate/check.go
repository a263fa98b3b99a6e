package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// check prints the settings, what follows from them, and whether a server can be
// prepared with them, which it then takes down again. An error is a [*usageError].
func (c *serveCommand) check(ctx context.Context, w io.Writer, all []setting, prepare func() (ready, error)) error {
	if err := printSettings(w, all); err != nil {
		return err
	}
	var wrong []error
	for _, address := range c.Listen {
		wrong = append(wrong, checkAddress(address), checkSocketFolder(address))
	}
	if address := c.Admin.Listen; !slices.Contains([]string{"", adminAuto, adminNone}, address) {
		wrong = append(wrong, checkAddress(address), checkSocketFolder(address))
	}
	prepared, err := prepare()
	if err != nil {
		wrong = append(wrong, err)
	} else {
		prepared.describe(w, c)
		// Nothing was received, so there is nothing to wait for.
		wrong = append(wrong, prepared.server.Shutdown(ctx))
	}
	if err := errors.Join(wrong...); err != nil {
		return &usageError{err}
	}
	fmt.Fprintln(w, "\nok: the server would start")
	return nil
}

// describe prints what no single setting says.
func (r ready) describe(w io.Writer, c *serveCommand) {
	key := "without an API key"
	if r.destination.apiKey != "" {
		key = "with an API key"
	}
	fmt.Fprintf(w, "\nintake: %s %s, chosen by %s\n", redacted(r.destination.url), key, r.destination.source)
	for _, to := range r.server.Destinations() {
		fmt.Fprintf(w, "proxy to %s: %s\n", to.Intake, cmp.Or(to.Proxy, noProxy))
	}
	fmt.Fprintf(w, "memory limit: %v\n", c.Limits.MemoryLimit)
	if r.destination.keyIsExposed() {
		fmt.Fprintf(w, "warning: %s\n", keyIsExposed)
	}
}

// noProxy stands where batches go straight to the intake.
const noProxy = "none"

// checkSocketFolder checks that a unix socket has a folder to stand in.
func checkSocketFolder(address string) error {
	path, isUnix := strings.CutPrefix(address, unixScheme)
	if !isUnix {
		return nil
	}
	stat, err := os.Stat(filepath.Dir(path))
	if err == nil && !stat.IsDir() {
		err = fmt.Errorf("%s is not a folder", filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("listen on %q: %w", address, err)
	}
	return nil
}
