package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/server/devintake"
)

//nolint:lll // a struct tag can't be broken
type intakeCommand struct {
	Listen []string `default:"127.0.0.1:8126" placeholder:"ADDRESS" env:"SCOPEGATE_INTAKE_LISTEN" help:"Address to listen on: host:port (port 0: any free one) or unix:///path. Repeat the flag, or separate addresses with commas."`
	Dir    string   `placeholder:"PATH" env:"SCOPEGATE_INTAKE_DIR" help:"Directory to store batches in, as UPLOAD_ID/BATCH_NUM.json.gz with the event beside it. Batches already there are loaded; damaged ones are skipped. By default batches stay in memory."`

	Lenient bool `env:"SCOPEGATE_INTAKE_LENIENT" help:"Accept what existing uploaders send, and list how each upload deviates from the protocol."`
}

// Help returns the text between the first line of the command's help and its flags.
func (intakeCommand) Help() string {
	return `It accepts batches at any path, as an agent does at http://127.0.0.1:8126/symdb/v1/input. It
checks each batch strictly and refuses one that breaks the protocol, with the reason. It prints a
line to stdout for each accepted batch, and to stderr for each refused one.

The default port is an agent's. On a host with an agent, use another one: --listen 127.0.0.1:8127.

    scopegate intake --dir /tmp/batches
    curl http://127.0.0.1:8126/uploads
    curl http://127.0.0.1:8126/uploads/UPLOAD_ID
    curl http://127.0.0.1:8126/uploads/UPLOAD_ID/batches/1 | gunzip

GET /uploads lists the uploads, whether each is complete, and its tags, container and parent. It
also lists deviations, with their count and an example: what the intake accepts but does not expect.

With --lenient it accepts what the tracers' own uploaders send: the event before the file, other
file names, no compression, keys in another order, null, and empty lists. Use it to record an
uploader's batches, and scopegate compare to compare them with scopegate's own.

The intake is for development: anyone who can connect can write to it and read from it.`
}

// Run serves the intake until ctx is done.
func (c *intakeCommand) Run(ctx context.Context, s *surroundings) error {
	if err := checkAddresses(listenAddresses("--listen", c.Listen...)); err != nil {
		return err
	}
	s.bufferOutput()
	printer := &batchPrinter{accepted: s.stdout, refused: s.stderr}
	skipped := 0
	intake, err := devintake.New(devintake.Options{
		Dir: c.Dir, Lenient: c.Lenient, OnBatch: printer.batch, OnRefusal: printer.refusal,
		OnSkip: func(err error) {
			if skipped++; skipped <= maxSkippedLines {
				fmt.Fprintf(s.stderr, "skipped %v\n", err)
			}
		},
	})
	if err != nil {
		return &uploading.InputError{Err: fmt.Errorf("--dir: %w", err)}
	}
	listeners, err := listenAll(ctx, c.Listen)
	if err != nil {
		return err
	}
	if skipped > 0 {
		fmt.Fprintf(s.stderr, "%s in %s skipped%s\n", settings.FormatCount(int64(skipped), "batch"), c.Dir, c.skipAdvice())
	}
	announce(s.stdout, listeners)
	fmt.Fprintf(s.stderr, "GET /uploads lists the uploads received\n")
	return serveHTTP(ctx, intake, listeners, log.New(s.stderr, "", 0))
}

// maxSkippedLines is how many of the skipped batches are named.
const maxSkippedLines = 10

func (c *intakeCommand) skipAdvice() string {
	if c.Lenient {
		return ""
	}
	return "; start with --lenient if they were recorded with it"
}

// batchPrinter prints a line for each request, and one for each kind of deviation that is new to an
// upload. It is safe for concurrent use.
type batchPrinter struct {
	mu                sync.Mutex
	accepted, refused io.Writer
}

func (p *batchPrinter) batch(r devintake.Receipt) {
	var notes string
	if r.Final {
		notes += ", final"
	}
	if r.Repeat {
		notes += ", repeated"
	}
	lines := fmt.Appendf(nil, "batch %d of %s, %q %q (%s): %s, %s of JSON in a file of %s%s\n",
		r.BatchNum, r.UploadID, r.Service, r.Version, r.Language, settings.FormatCount(int64(r.ScopeCount), "scope"),
		settings.FormatBytes(r.RawBytes), settings.FormatBytes(r.CompressedBytes), notes)
	for _, d := range r.Deviations {
		lines = fmt.Appendf(lines, "  deviation %s, %s: %s\n", d.Kind, settings.FormatCount(int64(d.Count), "time"), d.Example)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.accepted.Write(lines)
}

func (p *batchPrinter) refusal(r devintake.Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.refused, "refused with %d: %q: %s\n", r.Status, r.Path, r.Reason)
}

// serveHTTP serves on all listeners until ctx is done or one of them fails. Requests in
// flight then have some seconds to finish.
func serveHTTP(ctx context.Context, handler http.Handler, listeners []net.Listener, errorLog *log.Logger) error {
	const grace = 5 * time.Second
	srv := &http.Server{
		Handler: handler, ErrorLog: errorLog,
		ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 5 * time.Minute, IdleTimeout: time.Minute,
	}
	serving, servingCtx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		serving.Go(func() error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", addressOf(l), err)
			}
			return nil
		})
	}
	<-servingCtx.Done()
	graceCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(graceCtx); err != nil {
		_ = srv.Close()
	}
	return serving.Wait()
}
