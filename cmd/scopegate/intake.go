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
	Listen []string `default:"127.0.0.1:8126" placeholder:"ADDRESS" env:"SCOPEGATE_INTAKE_LISTEN" help:"Where to listen: host:port (port 0: any free one) or unix:///path. Repeat it, or separate by commas, for several."`
	Dir    string   `placeholder:"PATH" env:"SCOPEGATE_INTAKE_DIR" help:"Store batches there, as UPLOAD_ID/BATCH_NUM.json.gz with the event beside it, and take over what is there. By default they are kept in memory, until the intake stops."`
}

// Help is the part of the command's help between its first line and its flags.
func (intakeCommand) Help() string {
	return `It takes batches at any path, as an agent does at http://127.0.0.1:8126/symdb/v1/input. Each
batch is checked strictly; one that breaks the protocol is refused, with the reason. For each that is
accepted a line is printed to stdout, for each that is refused one to stderr.

    scopegate intake --dir /tmp/batches
    curl http://127.0.0.1:8126/uploads
    curl http://127.0.0.1:8126/uploads/UPLOAD_ID
    curl http://127.0.0.1:8126/uploads/UPLOAD_ID/batches/1 | gunzip

GET /uploads lists what is there, and whether each upload is complete. It is for
development: whoever reaches it can write to it and read from it.`
}

// Run takes batches until ctx ends.
func (c *intakeCommand) Run(ctx context.Context, s *surroundings) error {
	if err := checkAddresses(listenAddresses("--listen", c.Listen...)); err != nil {
		return err
	}
	s.serve()
	printer := &batchPrinter{accepted: s.stdout, refused: s.stderr}
	in, err := devintake.New(devintake.Options{Dir: c.Dir, OnBatch: printer.batch, OnRefusal: printer.refusal})
	if err != nil {
		return &uploading.InputError{Err: fmt.Errorf("--dir: %w", err)}
	}
	listeners, err := listenAll(ctx, c.Listen)
	if err != nil {
		return err
	}
	announce(s.stdout, listeners)
	fmt.Fprintf(s.stderr, "GET /uploads lists what was received\n")
	return serveHTTP(ctx, in, listeners, log.New(s.stderr, "", 0))
}

// batchPrinter prints a line for each request, from any goroutine.
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
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.accepted, "batch %d of %s, %q %q (%s): %s, %s of JSON as %s of gzip%s\n",
		r.BatchNum, r.UploadID, r.Service, r.Version, r.Language, settings.FormatCount(int64(r.ScopeCount), "scope"),
		settings.FormatBytes(r.RawBytes), settings.FormatBytes(r.CompressedBytes), notes)
}

func (p *batchPrinter) refusal(r devintake.Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.refused, "refused with %d: %q: %s\n", r.Status, r.Path, r.Reason)
}

const (
	headerTimeout = 10 * time.Second
	// answerTimeout is how long a request and its answer may take together.
	answerTimeout = 5 * time.Minute
	idleTimeout   = time.Minute
	intakeGrace   = 5 * time.Second
)

// serveHTTP serves on all listeners until ctx ends or one of them fails, and then
// lets requests in flight go on for a while.
func serveHTTP(ctx context.Context, handler http.Handler, listeners []net.Listener, errorLog *log.Logger) error {
	srv := &http.Server{
		Handler: handler, ErrorLog: errorLog,
		ReadHeaderTimeout: headerTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
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
	graceCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), intakeGrace)
	defer cancel()
	if err := srv.Shutdown(graceCtx); err != nil {
		_ = srv.Close()
	}
	return serving.Wait()
}
