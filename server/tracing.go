package server

import (
	"context"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/text"
)

// WithTracerProvider makes spans of uploads, their batches and the attempts at
// forwarding these, in the trace that the client has begun (W3C Trace Context), if
// it has. A span costs something for each message. By default there are none.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *collaborators) { c.tracing = p }
}

// tracing makes spans, or does nothing.
type tracing struct {
	provider trace.TracerProvider // nil: off
	tracer   trace.Tracer
}

const tracerName = "github.com/scopegate/scopegate/server"

func newTracing(p trace.TracerProvider) tracing {
	if p == nil {
		return tracing{tracer: tracenoop.NewTracerProvider().Tracer(tracerName)}
	}
	return tracing{provider: p, tracer: p.Tracer(tracerName)}
}

// serverOption installs the handler that makes a span of each call. gRPC calls it
// for each message, so there is none while tracing is off.
func (t tracing) serverOption() grpc.ServerOption {
	if t.provider == nil {
		return grpc.EmptyServerOption{}
	}
	return grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.provider),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck()))))
}

// intakeOptions are the collaborators of a client whose attempts attempted counts.
func (s *service) intakeOptions(attempted func(intake.Attempt)) []intake.Option {
	options := []intake.Option{intake.OnAttempt(attempted)}
	if s.tracing.provider != nil {
		options = append(options, intake.Traced(s.tracing.provider))
	}
	return options
}

// describe tells the stream's span what upload it is of.
func (t tracing) describe(ctx context.Context, h *batch.Header, options streamOptions) {
	if t.provider == nil {
		return
	}
	trace.SpanFromContext(ctx).SetAttributes(
		attribute.String("scopegate.upload_id", h.UploadID),
		attribute.String("scopegate.service", text.Clip(h.Service)),
		attribute.String("scopegate.version", text.Clip(h.Version)),
		attribute.String("scopegate.language", text.Clip(h.Language)),
		attribute.Int("scopegate.first_batch_num", int(options.firstBatchNum)))
}

// batch begins the span of a batch that is on its way. The function returned ends
// it, with why the batch was not accepted.
func (t tracing) batch(ctx context.Context, b *batch.Batch) (context.Context, func(error)) {
	if t.provider == nil {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, "batch", trace.WithAttributes(
		attribute.Int("scopegate.batch.num", int(b.Num)),
		attribute.Bool("scopegate.batch.final", b.Final),
		attribute.Int64("scopegate.batch.scopes", b.ScopeCount),
		attribute.Int64("scopegate.batch.json_bytes", b.RawBytes),
		attribute.Int("scopegate.batch.gzip_bytes", b.File.Len())))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(otelcodes.Error, text.Clip(err.Error()))
		}
		span.End()
	}
}
