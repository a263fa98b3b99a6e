package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"runtime/metrics"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/verify"
	"github.com/scopegate/scopegate/server"
	"github.com/scopegate/scopegate/server/devintake"
)

//nolint:lll // a struct tag can't be broken
type demoCommand struct {
	Path string `arg:"" optional:"" help:"Go binary whose symbols to upload. By default scopegate's own."`

	MainModule     bool          `help:"Upload only package main and the packages of the main module."`
	FlushThreshold settings.Size `field:"FlushThresholdBytes" placeholder:"SIZE" help:"Compressed size at which a batch is forwarded. 0: each scope is a batch."`
	Dir            string        `placeholder:"PATH" help:"Directory to store the batches in. By default they stay in memory."`
	Verbose        bool          `short:"v" help:"Show the server's log."`
}

// Help returns the text between the first line of the command's help and its flags.
func (demoCommand) Help() string {
	return `It starts a development intake and a server on free ports of 127.0.0.1, uploads the symbols of a Go binary, and
compares each scope and batch that the intake receives with those sent. Exactly one batch must be final.
The exit code is 1 if there is any difference.

    scopegate demo
    scopegate demo --flush-threshold 64KiB --dir /tmp/batches ./my-go-binary`
}

// Run prints the report, or returns the first difference.
func (c *demoCommand) Run(ctx context.Context, s *surroundings, line *kong.Context, sources *settings.Sources) error {
	path := c.Path
	if path == "" {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own binary: %w", err)
		}
		path = own
	}
	cfg := server.DefaultConfig()
	sources.List(line).Configure(&cfg)
	peakHeap := watchHeap()
	run, err := c.upload(ctx, s, path, cfg)
	peakBytes := peakHeap()
	if err != nil {
		return err
	}
	defer run.src.Close()
	began := time.Now()
	result, err := run.verify()
	if err != nil {
		return fmt.Errorf("the received upload differs from the one sent: %w", err)
	}
	run.print(s.stdout, result, peakBytes, time.Since(began))
	return nil
}

// demoRun is an upload that the server has acknowledged.
type demoRun struct {
	src      *uploading.Source
	metadata client.Metadata
	result   client.Result
	intake   *devintake.Intake
	// opened and uploaded are how long it took to read the binary's debug
	// information, and to upload.
	opened, uploaded time.Duration
}

// upload starts intake and server, uploads, and stops both. The source stays open.
func (c *demoCommand) upload(ctx context.Context, s *surroundings, path string, cfg server.Config) (*demoRun, error) {
	began := time.Now()
	src, err := uploading.OpenBinary(ctx, path, uploading.PackageFlags{MainModule: c.MainModule})
	if err != nil {
		return nil, err
	}
	run := &demoRun{src: src, opened: time.Since(began), metadata: src.Metadata}
	run.metadata.Env = new("demo")
	run.metadata.UploadID, run.metadata.RuntimeID = uuid.NewString(), uuid.NewString()
	fmt.Fprintf(s.stdout, "uploading the symbols of %s\n", path)
	if err := c.send(ctx, s, run, cfg); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return run, nil
}

func (c *demoCommand) send(ctx context.Context, s *surroundings, run *demoRun, cfg server.Config) (err error) {
	run.intake, err = devintake.New(devintake.Options{Dir: c.Dir})
	if err != nil {
		return &uploading.InputError{Err: err}
	}
	intakeAddress, stopIntake, err := serveInBackground(ctx, func(ctx context.Context, l []net.Listener) error {
		return serveHTTP(ctx, run.intake, l, log.New(s.stderr, "", 0))
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopIntake()) }()

	const grace = 5 * time.Second
	cfg.Intake.URL = agentIntake(intakeAddress)
	logger := slog.New(slog.DiscardHandler)
	if c.Verbose {
		logger = slog.New(slog.NewTextHandler(s.stderr, nil))
	}
	srv, err := server.New(cfg, logger)
	if err != nil {
		return &settings.UsageError{Err: err}
	}
	serverAddress, stopServer, err := serveInBackground(ctx, func(ctx context.Context, l []net.Listener) error {
		return serveUntilDone(ctx, srv, l, grace, logger)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopServer()) }()
	fmt.Fprintf(s.stdout, "server %s, intake http://%s%s\n", serverAddress, intakeAddress, agentPath)

	uploader, err := client.Dial(serverAddress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, uploader.Close()) }()
	began := time.Now()
	run.result, err = uploader.Upload(ctx, run.metadata, run.src.Scopes)
	run.uploaded = time.Since(began)
	return err
}

// serveInBackground runs serve with a listener on a free port until stop is called, once.
// Canceling ctx does not stop it: the servers have to stop in order.
func serveInBackground(
	ctx context.Context, serve func(context.Context, []net.Listener) error,
) (address string, stop func() error, err error) {
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, []net.Listener{l}) }()
	return addressOf(l), func() error {
		cancel()
		return <-ended
	}, nil
}

// watchHeap samples the size of the heap, including dead objects not yet swept, until
// stop is called, once. stop returns the largest sample.
func watchHeap() (stop func() (peakBytes uint64)) {
	const interval = 5 * time.Millisecond
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var peakBytes uint64
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(samples)
			if samples[0].Value.Kind() == metrics.KindUint64 {
				peakBytes = max(peakBytes, samples[0].Value.Uint64())
			}
			select {
			case <-done:
				peak <- peakBytes
				return
			case <-ticker.C:
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-peak
	}
}

// verify compares what the intake received with the source, which it reads again, and
// with the server's summary.
func (r *demoRun) verify() (verify.Result, error) {
	upload, ok := r.intake.Upload(r.metadata.UploadID)
	if !ok {
		return verify.Result{}, errors.New("the intake has not received the upload")
	}
	if n := r.intake.RefusalCount(); n > 0 {
		return verify.Result{}, fmt.Errorf("the intake refused %s", settings.FormatCount(int64(n), "batch"))
	}
	if len(upload.Violations) > 0 {
		return verify.Result{}, errors.New(upload.Violations[0].Text)
	}
	batches := make([]verify.Batch, len(upload.Batches))
	for i, b := range upload.Batches {
		batches[i] = verify.Batch{Event: b.Event, Open: b.Open}
	}
	result, err := verify.Upload(r.metadata, r.src.Scopes, batches)
	if err != nil {
		return result, err
	}
	received := client.Result{
		UploadID:        r.metadata.UploadID,
		ScopeCount:      int64(result.PartCount),
		BatchCount:      int32(min(result.BatchCount, 1<<31-1)),
		RawBytes:        result.RawBytes,
		CompressedBytes: result.CompressedBytes,
	}
	if received != r.result {
		return result, fmt.Errorf("the server's summary is %+v, but the intake received %+v", r.result, received)
	}
	return result, nil
}

func (r *demoRun) print(w io.Writer, result verify.Result, peakBytes uint64, verified time.Duration) {
	rows := [][2]string{
		{"scopes", fmt.Sprintf("%d packages, sent as %s", result.ScopeCount,
			settings.FormatCount(int64(result.PartCount), "message"))},
		{"batches", fmt.Sprint(result.BatchCount)},
		{"raw", settings.FormatBytes(result.RawBytes) + " of JSON"},
		{"compressed", settings.FormatBytes(result.CompressedBytes) + " of gzip"},
		{"ratio", fmt.Sprintf("%.1f", float64(result.RawBytes)/float64(result.CompressedBytes))},
		{"time", fmt.Sprintf("%.2f s to read the binary, %.2f s to upload, %.2f s to check",
			r.opened.Seconds(), r.uploaded.Seconds(), verified.Seconds())},
		{"peak heap", settings.FormatBytes(int64(min(peakBytes, 1<<62))) +
			" while uploading: binary, client, server and intake together"},
	}
	for _, row := range rows {
		fmt.Fprintf(w, "  %-12s%s\n", row[0], row[1])
	}
	fmt.Fprintln(w, "ok: each scope arrived as sent; batch numbers have no gaps; only the last batch is final")
}
