package grpctest_test

import (
	"testing"

	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/integration/grpctest"
	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) { leak.Verify(m) }

func TestServeAfterStop(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	server.Stop()
	grpctest.Serve(t, server)
}
