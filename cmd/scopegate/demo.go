package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/verify"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server"
	"github.com/scopegate/scopegate/server/devintake"
)

//nolint:lll // a struct tag can't be broken
type demoCommand struct {
	Path string `arg:"" optional:"" help:"Go binary whose symbols are uploaded. By default scopegate's own."`

	MainModule     bool          `help:"Upload just package main and the packages of the main module."`
	FlushThreshold settings.Size `field:"FlushThresholdBytes" placeholder:"SIZE" help:"Compressed size at which a batch is forwarded. 0: each scope by itself."`
	Dir            string        `placeholder:"PATH" help:"Store the batches there, to look at. By default they are kept in memory."`
	Verbose        bool          `short:"v" help:"Show the server's log."`
}

// Help is the part of the command's help between its first line and its flags.
func (demoCommand) Help() string {
	return `It starts a development intake and a server on free ports of 127.0.0.1, uploads the symbols of a Go binary, and
compares what the intake has received with what was sent: each scope, each batch, exactly one of them final.
It exits with 1 if there is any difference.

    scopegate demo
    scopegate demo --flush-threshold 64KiB --dir /tmp/batches ./my-go-binary`
}

// Run prints the report, or returns the first difference.
func (c *demoCommand) Run(ctx context.Context, s *surroundings) error {
	path := c.Path
	if path == "" {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own binary: %w", err)
		}
		path = own
	}
	heap := watchHeap()
	run, err := c.upload(ctx, s, path)
	peakBytes := heap.stop()
	if err != nil {
		return err
	}
	defer run.src.Close()
	began := time.Now()
	result, err := run.verify()
	if err != nil {
		return fmt.Errorf("what arrived is not what was sent: %w", err)
	}
	run.print(s.stdout, result, peakBytes, time.Since(began))
	return nil
}

// demoRun is an upload that the server has acknowledged.
type demoRun struct {
	src      *uploading.Source
	metadata *symdbv1.UploadMetadata
	summary  *symdbv1.UploadScopesResponse
	intake   *devintake.Intake
	// opened and uploaded are how long it took to read the binary's debug
	// information, and to upload.
	opened, uploaded time.Duration
}

// upload starts all that is needed, uploads, and stops all but the source.
func (c *demoCommand) upload(ctx context.Context, s *surroundings, path string) (*demoRun, error) {
	began := time.Now()
	src, err := uploading.OpenBinary(path, uploading.SourceFlags{MainModule: c.MainModule})
	if err != nil {
		return nil, err
	}
	run := &demoRun{src: src, opened: time.Since(began)}
	run.metadata = &symdbv1.UploadMetadata{
		Service: src.Service, Version: src.Version, Language: src.Language,
		UploadId: uuid.NewString(), RuntimeId: uuid.NewString(),
	}
	env := "demo"
	run.metadata.Env = &env
	fmt.Fprintf(s.stdout, "uploading the symbols of %s\n", path)
	if err := c.sendThrough(ctx, s, run); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return run, nil
}

func (c *demoCommand) sendThrough(ctx context.Context, s *surroundings, run *demoRun) (err error) {
	run.intake, err = devintake.New(devintake.Options{Dir: c.Dir})
	if err != nil {
		return &uploading.InputError{Err: err}
	}
	intake, err := start(ctx, func(ctx context.Context, l listeners) error {
		return serveHTTP(ctx, run.intake, l, log.New(s.stderr, "", 0))
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, intake.stop()) }()
	gate, err := c.startServer(ctx, s, intake.address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gate.stop()) }()
	fmt.Fprintf(s.stdout, "server %s, intake http://%s%s\n", gate.address, intake.address, agentPath)

	uploader, err := client.Dial(gate.address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, uploader.Close()) }()
	began := time.Now()
	run.summary, err = uploader.UploadScopes(ctx, run.metadata, run.src.Scopes)
	run.uploaded = time.Since(began)
	return err
}

const demoGrace = 5 * time.Second

func (c *demoCommand) startServer(ctx context.Context, s *surroundings, intakeAddress string) (*background, error) {
	cfg := server.DefaultConfig()
	cfg.Intake.URL = agentIntake(intakeAddress)
	cfg.FlushThresholdBytes = int(c.FlushThreshold)
	logger := slog.New(slog.DiscardHandler)
	if c.Verbose {
		logger = slog.New(slog.NewTextHandler(s.stderr, nil))
	}
	srv, err := server.New(cfg, logger)
	if err != nil {
		return nil, &settings.UsageError{Err: err}
	}
	return start(ctx, func(ctx context.Context, l listeners) error {
		return serveUntilDone(ctx, srv, l, demoGrace, logger)
	})
}

// verify compares what the intake has with what was sent, read anew from the
// source, and with what the server has said.
func (r *demoRun) verify() (verify.Result, error) {
	upload, ok := r.intake.Upload(r.metadata.GetUploadId())
	if !ok {
		return verify.Result{}, errors.New("the intake has no such upload")
	}
	if n := r.intake.RefusalCount(); n > 0 {
		return verify.Result{}, fmt.Errorf("the intake has refused %s", settings.FormatCount(int64(n), "batch"))
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
	said := &symdbv1.UploadScopesResponse{
		UploadId:        r.metadata.GetUploadId(),
		ScopeCount:      int64(result.PartCount),
		BatchCount:      int32(min(result.BatchCount, 1<<31-1)),
		RawBytes:        result.RawBytes,
		CompressedBytes: result.CompressedBytes,
	}
	if !proto.Equal(said, r.summary) {
		return result, fmt.Errorf("the server's summary is %v, but the intake received %v", r.summary, said)
	}
	return result, nil
}

func (r *demoRun) print(w io.Writer, result verify.Result, peakBytes uint64, verified time.Duration) {
	ratio := float64(result.RawBytes) / float64(result.CompressedBytes)
	rows := [][2]string{
		{"scopes", fmt.Sprintf("%d packages, sent as %s", result.ScopeCount,
			settings.FormatCount(int64(result.PartCount), "message"))},
		{"batches", fmt.Sprint(result.BatchCount)},
		{"raw", settings.FormatBytes(result.RawBytes) + " of JSON"},
		{"compressed", settings.FormatBytes(result.CompressedBytes) + " of gzip"},
		{"ratio", fmt.Sprintf("%.1f", ratio)},
		{"time", fmt.Sprintf("%.2f s to read the binary, %.2f s to upload, %.2f s to check",
			r.opened.Seconds(), r.uploaded.Seconds(), verified.Seconds())},
		{"peak heap", settings.FormatBytes(int64(min(peakBytes, 1<<62))) +
			" while uploading: binary, client, server and intake together"},
	}
	for _, row := range rows {
		fmt.Fprintf(w, "  %-12s%s\n", row[0], row[1])
	}
	fmt.Fprintln(w, "ok: each scope arrived as it was sent; the batches are numbered without a hole, and only the last is final")
}
