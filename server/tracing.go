package server

import (
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// WithTracerProvider records spans of uploads, of their batches and of the attempts to
// post them. They continue the client's trace, if it sends one (W3C Trace Context). Tracing
// costs CPU for each message. By default there is none.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *collaborators) { c.tracing = p }
}

const tracerName = "github.com/scopegate/scopegate/server"

func (s *Server) tracer() upload.Tracer {
	if s.tracing == nil {
		return upload.Tracer{}
	}
	return upload.Tracer{Tracer: s.tracing.Tracer(tracerName)}
}

// spans returns the option to record a span of each call. gRPC calls its handler for each
// message, so there is none while tracing is off.
func (s *Server) spans() grpc.ServerOption {
	if s.tracing == nil {
		return grpc.EmptyServerOption{}
	}
	return grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(s.tracing),
		otelgrpc.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelgrpc.WithPropagators(propagation.TraceContext{}),
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck()))))
}

// intakeOptions returns the options of a client whose attempts are reported to attempted.
func (s *Server) intakeOptions(attempted func(intake.Attempt)) []intake.Option {
	options := []intake.Option{intake.OnAttempt(attempted)}
	if s.tracing != nil {
		options = append(options, intake.Traced(s.tracing))
	}
	if s.dial != nil {
		options = append(options, intake.DialWith(s.dial))
	}
	return options
}
