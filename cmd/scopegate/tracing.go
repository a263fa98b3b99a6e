package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// tracingGrace is how long the export of the last spans may take.
const tracingGrace = 3 * time.Second

// startTracing returns the server's options for traces, or none if traces are off. end
// must be called after the server has stopped. It contacts nothing.
func startTracing(
	ctx context.Context, getenv func(string) string, logger *slog.Logger,
) (options []server.Option, end func(), err error) {
	variables := otelVariables{getenv: getenv, discarded: func(name, reason string) {
		logger.WarnContext(ctx, "ignoring OpenTelemetry variable", "variable", name, "error", reason)
	}}
	if !variables.wantsTraces() {
		return nil, func() {}, nil
	}
	if err := variables.check(); err != nil {
		return nil, func() {}, &settings.UsageError{Err: err}
	}
	// The libraries would report the same variables again, with secrets.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, func() {}, &settings.UsageError{Err: fmt.Errorf("OpenTelemetry variables: %w", withoutURL(err))}
	}
	provider := tracesdk.NewTracerProvider(
		tracesdk.WithBatcher(exporter, variables.batching()...), tracesdk.WithResource(variables.resource(ctx)))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.WarnContext(ctx, "trace export failed", "error", withoutURL(err).Error())
	}))
	logger.InfoContext(ctx, "exporting traces")
	return []server.Option{server.WithTracerProvider(provider)}, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracingGrace)
		defer cancel()
		if err := provider.Shutdown(grace); err != nil {
			logger.WarnContext(ctx, "trace export failed", "error", withoutURL(err).Error())
		}
	}, nil
}

// withoutURL removes the URL of a failed request, which may hold a secret.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}
