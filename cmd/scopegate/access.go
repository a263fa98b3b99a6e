package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// accessFlags say who may upload, and which additional intakes get copies.
//
//nolint:lll // a struct tag can't be broken
type accessFlags struct {
	Tenants          string   `name:"tenants-file" field:"Access.TenantsFile" group:"Access" placeholder:"PATH" env:"SCOPEGATE_TENANTS_FILE" help:"YAML file of the tenants that may upload: their token hashes (see scopegate token) or certificate names, limits and intakes. It is reloaded when it changes. By default anyone who can connect may upload."`
	Reflection       bool     `field:"Access.Reflection" group:"Access" env:"SCOPEGATE_REFLECTION" help:"Serve gRPC reflection to clients that may upload."`
	AdditionalIntake []string `field:"AdditionalIntakes.Intakes" group:"Intake" placeholder:"URL" env:"SCOPEGATE_ADDITIONAL_INTAKE" help:"Additional intake that gets a copy of each accepted batch, best effort. To send it an API key, add a space and the path of the key's file after the URL. Repeat the flag, or separate intakes with commas."`

	AdditionalQueue settings.Size `name:"additional-queue" field:"AdditionalIntakes.QueueBytes" group:"Intake" placeholder:"SIZE" env:"SCOPEGATE_ADDITIONAL_QUEUE" help:"Maximum queue of each additional intake. Batches that do not fit are dropped."`
	AdditionalAge   time.Duration `name:"additional-max-age" field:"AdditionalIntakes.MaxAge" group:"Intake" placeholder:"DURATION" env:"SCOPEGATE_ADDITIONAL_MAX_AGE" help:"How long to keep retrying a batch at an additional intake."`
}

// readAdditional adds the additional intakes, with their API keys, to cfg. setting is the
// place of the flag.
func (f *accessFlags) readAdditional(ctx context.Context, setting string, cfg *server.Config) error {
	for i, given := range f.AdditionalIntake {
		url, keyFile, _ := strings.Cut(strings.TrimSpace(given), " ")
		intake := server.AdditionalIntake{URL: url}
		if keyFile = strings.TrimSpace(keyFile); keyFile != "" {
			key, err := server.ReadSecret(ctx, keyFile)
			if err != nil {
				return &settings.UsageError{Err: fmt.Errorf("%s: API key file of additional intake %d: %w", setting, i+1, err)}
			}
			intake.APIKey = key
		}
		cfg.AdditionalIntakes.Intakes = append(cfg.AdditionalIntakes.Intakes, intake)
	}
	return nil
}

// announceAccess logs who may upload, and the additional intakes.
func (f *accessFlags) announceAccess(ctx context.Context, cfg server.Config, listeners []net.Listener, logger *slog.Logger) {
	for i, intake := range cfg.AdditionalIntakes.Intakes {
		logger.InfoContext(ctx, "forwarding to an additional intake",
			"intake", i+1, "url", settings.Redacted(intake.URL), "with_api_key", !intake.APIKey.IsZero())
	}
	if f.Tenants != "" {
		logger.InfoContext(ctx, "only tenants may upload", "file", f.Tenants)
		return
	}
	for _, l := range listeners {
		if !isLoopback(l.Addr()) {
			logger.WarnContext(ctx, "anyone who can connect may upload; set --tenants-file to allow only tenants",
				"address", addressOf(l))
		}
	}
}
