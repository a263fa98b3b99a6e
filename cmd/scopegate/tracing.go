package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/scopegate/scopegate/server"
)

// tracingGrace is how long spans that are not yet exported may take at the end.
const tracingGrace = 3 * time.Second

// wantsTraces tells whether OpenTelemetry's variables ask for traces: an exporter
// or an endpoint is named, and nothing switches them off.
func wantsTraces(getenv func(string) string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	if exporter := getenv("OTEL_TRACES_EXPORTER"); exporter != "" {
		return exporter != "none"
	}
	return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// startTracing returns the server's options for traces, none where these are off,
// and what ends them when the server has stopped.
func startTracing(
	ctx context.Context, getenv func(string) string, logger *slog.Logger,
) (options []server.Option, end func(), err error) {
	if !wantsTraces(getenv) {
		return nil, func() {}, nil
	}
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return nil, nil, &usageError{fmt.Errorf("OpenTelemetry variables: %w", err)}
	}
	// What the variables say wins over what stands in front of them.
	described, err := resource.New(ctx,
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(
			attribute.String("service.name", "scopegate"), attribute.String("service.version", thisBuild().version)),
		resource.WithFromEnv())
	if err != nil {
		return nil, nil, &usageError{fmt.Errorf("OpenTelemetry variables: %w", err)}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.WarnContext(ctx, "traces failed", "error", withoutURL(err).Error())
	}))
	provider := tracesdk.NewTracerProvider(tracesdk.WithBatcher(exporter), tracesdk.WithResource(described))
	logger.InfoContext(ctx, "traces are exported")
	return []server.Option{server.WithTracerProvider(provider)}, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracingGrace)
		defer cancel()
		if err := provider.Shutdown(grace); err != nil {
			logger.WarnContext(ctx, "traces failed", "error", withoutURL(err).Error())
		}
	}, nil
}

// withoutURL leaves out the URL of a request that failed, which may hold a secret.
func withoutURL(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}
