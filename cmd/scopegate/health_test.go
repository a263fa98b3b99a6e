package main

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/integration/grpctest"
)

// answeringHealth answers each check with a status.
type answeringHealth struct {
	healthv1.UnimplementedHealthServer
	status *status.Status
}

func (a answeringHealth) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	return &healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_SERVING}, a.status.Err()
}

// serveHealth returns the address of a server that answers each check with a status.
func serveHealth(t *testing.T, st *status.Status) string {
	t.Helper()
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, answeringHealth{status: st})
	return grpctest.Serve(t, server)
}

// A call that a proxy has canceled is no sign of health.
func TestHealthOfCanceledCall(t *testing.T) {
	t.Parallel()
	address := serveHealth(t, status.New(codes.Canceled, "reset"))
	got := execute(t, "", "health", "--server", address, "--timeout", "60s")
	if got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, address+": reset") {
		t.Errorf("got %+v, want code %d and the message", got, exitFailure)
	}
}

// Like upload, health needs no TLS to this host, however its address is written.
func TestHealthOfLocalTarget(t *testing.T) {
	t.Parallel()
	address := serveHealth(t, nil)
	for _, server := range []string{address, "dns:///" + address, "passthrough:///" + address} {
		if got := execute(t, "", "health", "--server", server, "--timeout", "60s"); got.code != exitOK {
			t.Errorf("%s: got %+v, want code %d", server, got, exitOK)
		}
	}
}
