package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/scopegate/scopegate/client"
	_ "github.com/scopegate/scopegate/client/compression" // for upload and for serve: the table is the process's
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/uploading"
	"github.com/scopegate/scopegate/server"
)

//nolint:lll // a struct tag can't be broken
type uploadCommand struct {
	Path string `arg:"" name:"path" help:"A Go binary with debug information (DWARF, which go build writes unless -ldflags has -s or -w), or a file with a scope as JSON on each line (NDJSON). The content decides which. - reads such lines from stdin."`

	Server    []string      `group:"Server" default:"127.0.0.1:50051" placeholder:"ADDRESS" env:"SCOPEGATE_UPLOAD_SERVER" help:"Server to upload to: host:port or unix:///path. Repeat the flag, or separate servers with commas: if one fails, the upload resumes at another."`
	Attempts  int           `name:"max-attempts" group:"Server" default:"10" placeholder:"N" env:"SCOPEGATE_UPLOAD_MAX_ATTEMPTS" help:"How many attempts in a row may fail without progress. NDJSON gets one, because it can't be read twice."`
	TokenFile string        `group:"Server" placeholder:"PATH" env:"SCOPEGATE_UPLOAD_TOKEN_FILE" help:"File with the tenant's token, read again for each stream. SCOPEGATE_UPLOAD_TOKEN can hold the token instead. There is no flag for the token itself, because other users could see it. It is sent only over TLS or to this host, unless --plaintext allows it unencrypted."`
	Compress  string        `name:"compression" group:"Server" enum:"none,gzip,zstd" default:"none" placeholder:"none|gzip|zstd" env:"SCOPEGATE_UPLOAD_COMPRESSION" help:"Compress messages to the server: none, gzip or zstd. Useful on a slow link."`
	Timeout   time.Duration `group:"Server" default:"10m" placeholder:"DURATION" env:"SCOPEGATE_UPLOAD_TIMEOUT" help:"How long the upload may take. 0: as long as it takes."`

	Security uploading.SecurityFlags `embed:"" envprefix:"SCOPEGATE_UPLOAD_"`

	Service        string `group:"Metadata" placeholder:"NAME" env:"SCOPEGATE_UPLOAD_SERVICE,DD_SERVICE" help:"Service that runs the program. By default the name of the binary's main module; NDJSON has none."`
	Env            string `group:"Metadata" placeholder:"NAME" env:"SCOPEGATE_UPLOAD_ENV,DD_ENV" help:"Environment of the service, such as prod."`
	ServiceVersion string `group:"Metadata" placeholder:"VERSION" env:"SCOPEGATE_UPLOAD_SERVICE_VERSION,DD_VERSION" help:"Version of the service. By default the binary's module version or revision."`
	Language       string `group:"Metadata" placeholder:"NAME" env:"SCOPEGATE_UPLOAD_LANGUAGE" help:"Language of the tracer. By default go for a binary; NDJSON has none."`
	UploadID       string `group:"Metadata" placeholder:"UUID" env:"SCOPEGATE_UPLOAD_ID" help:"Identity of the upload. By default a new one."`
	RuntimeID      string `group:"Metadata" placeholder:"ID" env:"SCOPEGATE_UPLOAD_RUNTIME_ID" help:"Identity of the running process."`
	NoContainerID  bool   `name:"no-container-id" group:"Metadata" env:"SCOPEGATE_UPLOAD_NO_CONTAINER_ID" help:"Do not send the identity of this command's container. For scopes of a program that runs elsewhere."`

	Source uploading.SourceFlags `embed:""`

	JSON  bool `group:"Output" name:"json" help:"Print the summary, or the error, as a JSON object."`
	Quiet bool `group:"Output" short:"q" help:"Show no progress."`

	targets []string // Server, in the form of package client
}

// Help returns the text between the first line of the command's help and its flags.
func (uploadCommand) Help() string {
	return `Examples:

    scopegate upload ./bin/shop
    scopegate upload --service shop --env prod --main-module ./bin/shop
    scopegate upload --server unix:///run/scopegate.socket ./bin/shop
    scopegate upload --server scopegate.example:50051 --ca ca.pem --cert shop.pem --key shop.key ./bin/shop
    generate-scopes | scopegate upload --service shop --language ruby -

A line of NDJSON is a root scope; docs/ndjson.md describes it. Only these keys are required: scope_type of a scope, name
and symbol_type of a symbol.

    {"scope_type":"FILE","name":"shop.rb","symbols":[{"name":"@cart","symbol_type":"FIELD","line":3}],"scopes":[…]}

An invalid line ends the upload with exit code 3; the error has the line's number.

Exit code 4 means that the same upload may succeed later; see scopegate --help for the others.`
}

// Run uploads and prints the summary.
func (c *uploadCommand) Run(
	ctx context.Context, s *surroundings, line *kong.Context, sources *settings.Sources,
) error {
	targets, err := uploading.Targets(sources.List(line).Find("server").Place(), c.Server)
	if err != nil {
		return err
	}
	c.targets = targets
	if !uploading.IsTerminal(s.stderr) {
		s.stderr = newOutput(s.stderr)
	}
	report := uploading.Report{UploadID: c.UploadID}
	if report.UploadID == "" {
		report.UploadID = uuid.NewString()
	}
	err = c.upload(ctx, s, &report)
	if c.JSON {
		if err != nil {
			code := exitCode(ctx, err)
			report.Fail(err, code, code == exitDelivery)
		}
		return errors.Join(err, report.PrintJSON(s.stdout))
	}
	if err == nil {
		report.Print(s.stdout)
	}
	return err
}

func (c *uploadCommand) upload(ctx context.Context, s *surroundings, report *uploading.Report) error {
	began := time.Now()
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	src, err := uploading.Open(ctx, c.Path, s.stdin, c.Source)
	if err != nil {
		return err
	}
	metadata, err := c.metadata(src, report.UploadID)
	if err != nil {
		return errors.Join(err, src.Close())
	}
	report.Describe(metadata)
	explain := uploading.Explainer{
		Servers: c.Server, Lines: src.Lines, Security: c.Security, Timeout: c.Timeout,
		WithToken: c.TokenFile != "" || s.getenv("SCOPEGATE_UPLOAD_TOKEN") != "",
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	observed := uploading.Observe(src, c.progress(s.stderr, src))
	observe := client.WithOnRetry(func(event client.RetryEvent) {
		if err := explain.Permanent(event.Err); err != nil {
			stop(err)
			return
		}
		report.Resume(event)
		event.Err = explain.Brief(event.Err)
		observed.Retry(event)
	})
	result, err := c.send(ctx, metadata, observed, src.Repeatable, observe, s.getenv)
	observed.End(err == nil)
	switch cause, permanent := context.Cause(ctx), explain.Permanent(err); {
	case err == nil:
	case isType[*settings.UsageError](cause):
		err = cause
	case permanent != nil:
		err = permanent
	default:
		err = explain.Final(err)
	}
	if err := errors.Join(err, src.Close()); err != nil {
		return err
	}
	report.Summarize(result, time.Since(began))
	return nil
}

// send dials and uploads.
func (c *uploadCommand) send(
	ctx context.Context, metadata client.Metadata, observed *uploading.Observed, repeatable bool, observe client.Option,
	getenv func(string) string,
) (client.Result, error) {
	options := []client.Option{client.WithMaxAttempts(c.Attempts), observe}
	if !repeatable || c.Attempts == 1 {
		options = append(options, client.WithoutResume())
	}
	security, err := c.Security.Options()
	if err != nil {
		return client.Result{}, err
	}
	token, err := c.token(ctx, getenv)
	if err != nil {
		return client.Result{}, err
	}
	options = slices.Concat(options, security, token)
	if c.NoContainerID {
		options = append(options, client.WithoutContainerID())
	}
	if c.Compress != "none" {
		options = append(options, client.WithCompression(c.Compress))
	}
	uploader, err := client.DialAny(c.targets, options...)
	if err != nil {
		return client.Result{}, &settings.UsageError{Err: err}
	}
	result, err := uploader.Upload(ctx, metadata, observed.Scopes())
	return result, errors.Join(err, uploader.Close())
}

// token returns the option for the token, or none if there is no token.
func (c *uploadCommand) token(ctx context.Context, getenv func(string) string) ([]client.Option, error) {
	if c.TokenFile == "" {
		given := getenv("SCOPEGATE_UPLOAD_TOKEN")
		if given == "" {
			return nil, nil
		}
		token, err := server.ParseSecret(given)
		if err != nil {
			return nil, &settings.UsageError{Err: fmt.Errorf("SCOPEGATE_UPLOAD_TOKEN: %w", err)}
		}
		return []client.Option{client.WithToken(token.Reveal())}, nil
	}
	token, err := server.ReadSecret(ctx, c.TokenFile)
	if err != nil {
		return nil, &settings.UsageError{Err: fmt.Errorf("--token-file: %w", err)}
	}
	if info, err := os.Stat(c.TokenFile); err == nil && !info.Mode().IsRegular() { // a pipe can be read once
		return []client.Option{client.WithToken(token.Reveal())}, nil
	}
	return []client.Option{client.WithTokenSource(func(ctx context.Context) (string, error) {
		token, err := server.ReadSecret(ctx, c.TokenFile)
		return token.Reveal(), err
	})}, nil
}

func (c *uploadCommand) progress(w io.Writer, src *uploading.Source) uploading.Progress {
	if c.Quiet {
		return uploading.NoProgress()
	}
	return uploading.NewProgress(w, src)
}

func (c *uploadCommand) metadata(src *uploading.Source, uploadID string) (client.Metadata, error) {
	metadata := src.Metadata
	metadata.Service = cmp.Or(c.Service, metadata.Service)
	metadata.Language = cmp.Or(c.Language, metadata.Language)
	metadata.UploadID, metadata.RuntimeID = uploadID, c.RuntimeID
	if c.ServiceVersion != "" {
		metadata.Version = &c.ServiceVersion
	}
	if c.Env != "" {
		metadata.Env = &c.Env
	}
	switch {
	case metadata.Service == "":
		return metadata, &settings.UsageError{Err: errors.New("--service is required for NDJSON")}
	case metadata.Language == "":
		return metadata, &settings.UsageError{Err: errors.New("--language is required for NDJSON")}
	}
	return metadata, nil
}
