package telemetry

import (
	"maps"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// RPC counts and times the calls of a gRPC server, as go-grpc-middleware's
// provider does, except uploads: it would count each scope, and its frames make a
// stream's stack twice as large. Those have metrics of their own.
type RPC struct{ metrics *grpcprometheus.ServerMetrics }

// NewRPC returns an RPC whose metrics are registered with r. It panics where they
// are registered already.
func NewRPC(r prometheus.Registerer) *RPC {
	metrics := grpcprometheus.NewServerMetrics(grpcprometheus.WithServerHandlingTimeHistogram())
	return &RPC{metrics: register(r, metrics)}
}

// Initialize has the series of the server's methods there from the start, but for
// those of a service that is not counted.
func (c *RPC) Initialize(server *grpc.Server, except string) {
	counted := services(maps.Clone(server.GetServiceInfo()))
	delete(counted, except)
	c.metrics.InitializeMetrics(counted)
}

type services map[string]grpc.ServiceInfo

// GetServiceInfo returns the services.
func (s services) GetServiceInfo() map[string]grpc.ServiceInfo { return s }

// Unary returns the interceptor of unary calls.
func (c *RPC) Unary() grpc.UnaryServerInterceptor { return c.metrics.UnaryServerInterceptor() }

// Stream returns the interceptor of streams that are counted.
func (c *RPC) Stream() grpc.StreamServerInterceptor { return c.metrics.StreamServerInterceptor() }
