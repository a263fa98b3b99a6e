package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

//nolint:lll // a struct tag can't be broken
type serveCommand struct {
	Config string `group:"Configuration" placeholder:"PATH" env:"SCOPEGATE_CONFIG" help:"YAML file with settings. Its keys are flag names without the dashes."`
	Check  bool   `group:"Configuration" help:"Check the configuration, print every setting and its source, and exit with 0 if the server would start, or 2 if not."`

	Listen        []string      `group:"Serving" default:"127.0.0.1:50051" placeholder:"ADDRESS" env:"SCOPEGATE_LISTEN" help:"Address to listen on: host:port (port 0: any free one) or unix:///path. Repeat the flag, or separate addresses with commas."`
	ShutdownGrace time.Duration `group:"Serving" default:"20s" placeholder:"DURATION" env:"SCOPEGATE_SHUTDOWN_GRACE" help:"How long uploads may continue after SIGTERM, SIGINT or SIGHUP. A second signal kills the server."`
	ConnectionAge time.Duration `name:"max-connection-age" field:"MaxConnectionAge" group:"Serving" placeholder:"DURATION" env:"SCOPEGATE_MAX_CONNECTION_AGE" help:"Age at which a connection is closed and a stream ended, to be resumed on a new connection. 0: never."`
	MaxScopeBytes settings.Size `field:"MaxScopeBytes" group:"Serving" placeholder:"SIZE" env:"SCOPEGATE_MAX_SCOPE_BYTES" help:"Maximum size of a scope, as protobuf."`
	MaxDepth      int           `field:"MaxDepth" group:"Serving" placeholder:"N" env:"SCOPEGATE_MAX_DEPTH" help:"Maximum nesting of messages in a scope. The root scope counts as 1."`

	IntakeURL      string        `field:"Intake.URL" group:"Intake" placeholder:"URL" env:"SCOPEGATE_INTAKE_URL" help:"URL to post batches to: http://…, https://… or unix:///path/to/socket:/path/of/url. By default the environment decides, see above."`
	APIKeyFile     string        `field:"Intake.APIKey" group:"Intake" placeholder:"PATH" env:"SCOPEGATE_API_KEY_FILE" help:"File with the API key for the backend. SCOPEGATE_API_KEY or DD_API_KEY can hold the key instead."`
	IntakeOrigin   string        `name:"intake-origin" field:"Intake.Origin" group:"Intake" placeholder:"NAME" env:"SCOPEGATE_INTAKE_ORIGIN" help:"DD-EVP-ORIGIN header. Sent only with an API key."`
	AdditionalTags string        `field:"Intake.AdditionalTags" group:"Intake" placeholder:"KEY:VALUE,…" env:"SCOPEGATE_ADDITIONAL_TAGS" help:"Tags to send with each batch. They override an upload's tags with the same key."`
	Hostname       string        `field:"Intake.Hostname" group:"Intake" placeholder:"NAME" env:"SCOPEGATE_HOSTNAME,DD_HOSTNAME" help:"Host tag for uploads without one. Sent only with an API key, because an agent adds its own. By default the name of this host."`
	PostTimeout    time.Duration `field:"Intake.PostTimeout" group:"Intake" placeholder:"DURATION" env:"SCOPEGATE_POST_TIMEOUT" help:"How long one POST to the intake may take."`
	BatchDeadline  time.Duration `field:"Intake.BatchDeadline" group:"Intake" placeholder:"DURATION" env:"SCOPEGATE_BATCH_DEADLINE" help:"How long to keep retrying a batch. 0: as long as its client waits."`
	IntakeConns    int           `name:"intake-connections" field:"Intake.MaxConnections" group:"Intake" placeholder:"N" env:"SCOPEGATE_INTAKE_CONNECTIONS" help:"Maximum connections to the intake, and so batches in flight. Other batches wait, round robin between services."`

	FlushThreshold    settings.Size `field:"FlushThresholdBytes" group:"Batches" placeholder:"SIZE" env:"SCOPEGATE_FLUSH_THRESHOLD" help:"Compressed size at which a batch is forwarded. 0: each scope is a batch."`
	FlushThresholdRaw settings.Size `field:"FlushThresholdRawBytes" group:"Batches" placeholder:"SIZE" env:"SCOPEGATE_FLUSH_THRESHOLD_RAW" help:"JSON size at which a batch is forwarded. 0: any size."`
	MaxBatchBytes     settings.Size `field:"MaxBatchBytes" group:"Batches" placeholder:"SIZE" env:"SCOPEGATE_MAX_BATCH_BYTES" help:"Maximum compressed size of a stream that must become a single batch."`
	MaxBatchRawBytes  settings.Size `field:"MaxBatchRawBytes" group:"Batches" placeholder:"SIZE" env:"SCOPEGATE_MAX_BATCH_RAW_BYTES" help:"Maximum JSON size of a stream that must become a single batch."`
	MaxBatchAge       time.Duration `field:"MaxBatchAge" group:"Batches" placeholder:"DURATION" env:"SCOPEGATE_MAX_BATCH_AGE" help:"Age at which a batch is forwarded even if it is not full. 0: never."`
	Compression       compression   `aliases:"compression-level" field:"CompressionLevel" group:"Batches" placeholder:"scope|1-9" env:"SCOPEGATE_COMPRESSION,SCOPEGATE_COMPRESSION_LEVEL" help:"scope: the encoder made for scopes. 1 (fastest) to 9 (smallest): a general-purpose encoder."`
	VerifyBatches     float64       `field:"VerifyBatches" group:"Batches" placeholder:"RATE" env:"SCOPEGATE_VERIFY_BATCHES" help:"Fraction of batches, from 0 to 1, to decompress and compare with their JSON. A chunk that differs is compressed again, and logged."`
	ChunkBytes        settings.Size `field:"ChunkBytes" group:"Batches" placeholder:"SIZE" env:"SCOPEGATE_CHUNK_BYTES" help:"How much JSON is compressed at a time. More is faster, but takes more memory for each upload."`

	TLS    tlsFlags    `embed:""`
	Access accessFlags `embed:""`
	Limits limitFlags  `embed:""`
	Admin  adminFlags  `embed:""`
	Log    logFlags    `embed:""`
}

// Help returns the text between the first line of the command's help and its flags.
func (serveCommand) Help() string {
	return `Tracers on the same host can use a unix socket:

    scopegate serve --listen 127.0.0.1:50051 --listen unix:///run/scopegate.socket

Tracers on other hosts need TLS. With --tls-client-ca they also need a certificate. A unix socket never has TLS:

    scopegate serve --listen :50051 --tls-cert server.pem --tls-key server.key --tls-client-ca clients.pem

Without an intake URL, the first of these that applies decides. The log says which one it was:

 1. SCOPEGATE_API_KEY or --api-key-file is set: straight to https://debugger-intake.DD_SITE (by default datadoghq.com)
 2. DD_TRACE_AGENT_URL is set: the agent there, http://host:port, https://host:port or unix:///path
 3. DD_AGENT_HOST or DD_TRACE_AGENT_PORT is set: the agent there, by default at localhost and 8126
 4. DD_API_KEY is set, even if for another program: straight to https://debugger-intake.DD_SITE
 5. /var/run/datadog/apm.socket exists: the agent there
 6. otherwise: the agent at http://localhost:8126

With an intake URL, the key of SCOPEGATE_API_KEY or --api-key-file goes to that URL, also unencrypted over http;
the key of DD_API_KEY only over https.

For each address the server prints a line "listening on ADDRESS" to stdout. Sizes are bytes, or have a suffix such as KiB or MiB.`
}

// BeforeResolve loads the configuration file, so that flags can take their values from it.
func (c *serveCommand) BeforeResolve(ctx context.Context, line *kong.Context, sources *settings.Sources) error {
	return sources.LoadFile(ctx, line, "config")
}

// Run serves until ctx is done, or checks whether it could.
func (c *serveCommand) Run(
	ctx context.Context, s *surroundings, line *kong.Context, sources *settings.Sources,
) error {
	if !c.Check {
		s.bufferOutput()
	}
	defer exitIfStuck(ctx, c.ShutdownGrace+lastGrace, s.stderr)()
	logger, flush := c.Log.logger(s.stderr)
	defer flush()
	all, registry := sources.List(line), newRegistry()
	prepare := func() (ready, error) { return c.prepare(ctx, s, all, logger, server.WithRegistry(registry)) }
	if c.Check {
		return c.check(ctx, s.stdout, all, prepare)
	}
	logStart(ctx, all, logger)
	ready, err := prepare()
	if err != nil {
		return err
	}
	defer ready.endTraces()
	listeners, err := listenAll(ctx, c.Listen)
	if err != nil {
		return errors.Join(err, ready.server.Shutdown(ctx))
	}
	if err := c.TLS.checkListeners(ctx, all.Find("listen").Place(), listeners, logger); err != nil {
		closeAll(listeners)
		return errors.Join(err, ready.server.Shutdown(ctx))
	}
	stopAdmin, err := c.Admin.start(ctx, ready.server, registry, logger)
	if err != nil {
		closeAll(listeners)
		return errors.Join(err, ready.server.Shutdown(ctx))
	}
	defer stopAdmin()
	dest := ready.destination
	logger.InfoContext(ctx, "forwarding to the intake",
		"url", settings.Redacted(dest.url), "chosen_by", dest.source, "with_api_key", dest.apiKey != "",
		"proxy", cmp.Or(ready.server.Destinations()[0].Proxy, noProxy))
	for _, d := range ready.server.Destinations()[1:] {
		logger.InfoContext(ctx, "forwarding to another intake", "intake", d.Intake, "proxy", cmp.Or(d.Proxy, noProxy))
	}
	if dest.keyIsExposed() {
		logger.WarnContext(ctx, keyIsExposed)
	}
	c.Access.announceAccess(ctx, ready.config, listeners, logger)
	announce(s.stdout, listeners)
	return serveUntilDone(ctx, ready.server, listeners, c.ShutdownGrace, logger)
}

// ready is a server that only has to listen.
type ready struct {
	server      *server.Server
	config      server.Config
	destination destination
	endTraces   func()
}

// prepare does everything that can fail because of the configuration, except listening.
// It contacts nothing. It records in all the values that it finds for settings that are
// not given. Errors are a [*settings.UsageError].
func (c *serveCommand) prepare(
	ctx context.Context, s *surroundings, all settings.List, logger *slog.Logger, options ...server.Option,
) (ready, error) {
	addresses := checkAddresses(append(listenAddresses(all.Find("listen").Place(), c.Listen...), c.Admin.addresses(all)...))
	traces, endTraces, tracing := startTracing(ctx, s.getenv, logger)
	made, err := c.newServer(ctx, s, all, logger, append(traces, options...)...)
	made.endTraces = endTraces
	if err := errors.Join(addresses, c.Admin.checkHosts(all), tracing, err); err != nil {
		if made.server != nil {
			err = errors.Join(err, made.server.Shutdown(ctx))
		}
		endTraces()
		return ready{}, &settings.UsageError{Err: err}
	}
	return made, nil
}

func (c *serveCommand) newServer(
	ctx context.Context, s *surroundings, all settings.List, logger *slog.Logger, options ...server.Option,
) (ready, error) {
	dest, err := c.destination(ctx, s.getenv, all)
	if err != nil {
		return ready{}, err
	}
	if err := c.TLS.checkAddresses(ctx, all.Find("listen").Place(), c.Listen); err != nil {
		return ready{}, err
	}
	if key := all.Find("api-key-file"); c.APIKeyFile == "" && dest.apiKey != "" {
		key.Found("(a secret)", "SCOPEGATE_API_KEY or DD_API_KEY")
	}
	c.Limits.findMemoryLimit(ctx, s.getenv, all.Find("memory-limit"), logger)
	c.Limits.limitConnections(ctx, maxFiles(), all.Find("max-connections"), logger)
	cfg := config(dest, all)
	if err := c.Access.readAdditional(ctx, all.Find("additional-intake").Place(), &cfg); err != nil {
		return ready{}, err
	}
	options = append(options, server.WithVersion(thisBuild().version))
	srv, err := server.New(cfg, logger, options...)
	if err != nil {
		return ready{}, all.Explain(err)
	}
	return ready{server: srv, config: cfg, destination: dest}, nil
}

// config returns the server's configuration, except for the keys of additional intakes.
func config(dest destination, all settings.List) server.Config {
	cfg := server.DefaultConfig()
	all.Configure(&cfg)
	cfg.Intake.URL = dest.url
	cfg.Intake.APIKey = server.NewSecret(dest.apiKey)
	return cfg
}

func (c *serveCommand) destination(
	ctx context.Context, getenv func(string) string, all settings.List,
) (destination, error) {
	own := chosen{intakeURL: c.IntakeURL, keySource: "SCOPEGATE_API_KEY"}
	if given := getenv(own.keySource); c.APIKeyFile != "" {
		key, err := server.ReadSecret(ctx, c.APIKeyFile)
		if err != nil {
			return destination{}, &settings.UsageError{Err: fmt.Errorf("%s: %w", all.Find("api-key-file").Place(), err)}
		}
		own.key, own.keySource = key.Reveal(), "the API key file"
	} else if given != "" {
		key, err := server.ParseSecret(given)
		if err != nil {
			return destination{}, &settings.UsageError{Err: fmt.Errorf("%s: %w", own.keySource, err)}
		}
		own.key = key.Reveal()
	}
	dest, err := resolveDestination(own, getenv, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	if err == nil && own.key == "" && dest.apiKey != "" {
		key, err := server.ParseSecret(dest.apiKey)
		if err != nil {
			return destination{}, &settings.UsageError{Err: fmt.Errorf("DD_API_KEY: %w", err)}
		}
		dest.apiKey = key.Reveal()
	}
	return dest, err
}

// serveUntilDone serves on all listeners until ctx is done or one of them fails. Uploads
// in flight then have the grace period to finish.
func serveUntilDone(
	ctx context.Context, srv *server.Server, listeners []net.Listener, grace time.Duration, logger *slog.Logger,
) error {
	serving, servingCtx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		serving.Go(func() error { return srv.Serve(l) })
	}
	<-servingCtx.Done()
	logger.InfoContext(ctx, "stopping", "grace", grace)
	graceCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(graceCtx); err != nil {
		logger.WarnContext(ctx, "grace period ended; uploads aborted")
	}
	if err := serving.Wait(); err != nil {
		return err
	}
	logger.InfoContext(ctx, "stopped")
	return nil
}
