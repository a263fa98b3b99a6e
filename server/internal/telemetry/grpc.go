package telemetry

import (
	"strings"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// RPC counts and times the calls of a gRPC server, as go-grpc-middleware's
// provider does. It does not count the messages in them, which would cost every
// scope something.
type RPC struct{ metrics *grpcprometheus.ServerMetrics }

// callBuckets reach up to an hour, as an upload may last for as long.
var callBuckets = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600}

// NewRPC returns an RPC whose metrics are registered with r. It panics where they
// are registered already.
func NewRPC(r prometheus.Registerer) *RPC {
	metrics := grpcprometheus.NewServerMetrics(
		grpcprometheus.WithServerHandlingTimeHistogram(grpcprometheus.WithHistogramBuckets(callBuckets)))
	r.MustRegister(calls{metrics})
	return &RPC{metrics: metrics}
}

// Initialize has the series of all the server's methods there from the start.
func (c *RPC) Initialize(server *grpc.Server) { c.metrics.InitializeMetrics(server) }

// Unary returns the interceptor of unary calls.
func (c *RPC) Unary() grpc.UnaryServerInterceptor { return c.metrics.UnaryServerInterceptor() }

// Stream returns the interceptor of streams.
func (c *RPC) Stream() grpc.StreamServerInterceptor {
	counted := c.metrics.StreamServerInterceptor()
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return counted(srv, stream, info, func(srv any, _ grpc.ServerStream) error {
			return handle(srv, stream) // not the provider's stream, which counts messages
		})
	}
}

// calls leaves out of the provider's metrics those of messages, which stay 0.
type calls struct{ all prometheus.Collector }

// Describe sends the descriptions of what is not left out.
func (c calls) Describe(to chan<- *prometheus.Desc) {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		c.all.Describe(descriptions)
	}()
	for d := range descriptions {
		if !ofMessages(d) {
			to <- d
		}
	}
}

// Collect sends what is not left out.
func (c calls) Collect(to chan<- prometheus.Metric) {
	metrics := make(chan prometheus.Metric)
	go func() {
		defer close(metrics)
		c.all.Collect(metrics)
	}()
	for m := range metrics {
		if !ofMessages(m.Desc()) {
			to <- m
		}
	}
}

func ofMessages(d *prometheus.Desc) bool { return strings.Contains(d.String(), `"grpc_server_msg_`) }
