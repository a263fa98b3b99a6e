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

// accessFlags say who may upload, and who else gets it.
//
//nolint:lll // a struct tag can't be broken
type accessFlags struct {
	Tenants          string   `name:"tenants-file" field:"Access.TenantsFile" group:"Access" placeholder:"PATH" env:"SCOPEGATE_TENANTS_FILE" help:"YAML file of those who may upload, with the hashes of their tokens (scopegate token) or their certificates' names, limits and intakes. It is read again when it changes. By default everybody may upload."`
	Reflection       bool     `field:"Access.Reflection" group:"Access" env:"SCOPEGATE_REFLECTION" help:"Serve the API's description by gRPC reflection, to those who may upload."`
	AdditionalIntake []string `field:"AdditionalIntakes.Intakes" group:"Intake" placeholder:"URL" env:"SCOPEGATE_ADDITIONAL_INTAKE" help:"Additional intake that gets a copy of each accepted batch, best effort. A path after the URL, separated by a space, names the file with its API key. Repeat the flag, or separate by commas, for several."`

	AdditionalQueue settings.Size `name:"additional-queue" field:"AdditionalIntakes.QueueBytes" group:"Intake" placeholder:"SIZE" env:"SCOPEGATE_ADDITIONAL_QUEUE" help:"Most that waits for each additional intake; what finds no room is dropped."`
	AdditionalAge   time.Duration `name:"additional-max-age" field:"AdditionalIntakes.MaxAge" group:"Intake" placeholder:"DURATION" env:"SCOPEGATE_ADDITIONAL_MAX_AGE" help:"How long a batch is kept, and tried, for an additional intake."`
}

// readAdditional adds the additional intakes to cfg. It fails on one whose key can't be
// read.
func (f *accessFlags) readAdditional(ctx context.Context, cfg *server.Config) error {
	for i, given := range f.AdditionalIntake {
		url, keyFile, _ := strings.Cut(strings.TrimSpace(given), " ")
		to := server.AdditionalIntake{URL: url}
		if keyFile = strings.TrimSpace(keyFile); keyFile != "" {
			key, err := server.ReadSecret(ctx, keyFile)
			if err != nil {
				return &settings.UsageError{Err: fmt.Errorf("API key file of additional intake %d: %w", i+1, err)}
			}
			to.APIKey = key
		}
		cfg.AdditionalIntakes.Intakes = append(cfg.AdditionalIntakes.Intakes, to)
	}
	return nil
}

// announceAccess logs who may upload, and what else happens to what is uploaded.
func (f *accessFlags) announceAccess(ctx context.Context, cfg server.Config, listeners []net.Listener, logger *slog.Logger) {
	for i, to := range cfg.AdditionalIntakes.Intakes {
		logger.InfoContext(ctx, "forwarding to an additional intake",
			"intake", i+1, "url", settings.Redacted(to.URL), "with_api_key", !to.APIKey.IsZero())
	}
	if f.Tenants != "" {
		logger.InfoContext(ctx, "tenants may upload", "file", f.Tenants)
		return
	}
	for _, l := range listeners {
		if !isLoopback(l.Addr()) {
			logger.WarnContext(ctx, "everybody who reaches the server may upload; --tenants-file says who shall",
				"address", addressOf(l))
		}
	}
}
