package integration_test

import (
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/scopegate/scopegate/server"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// threshold returns a configuration with that flush threshold.
func threshold(bytes int) func(*server.Config) {
	return func(cfg *server.Config) { cfg.FlushThresholdBytes = bytes }
}

// gzipMessages makes a client compress its messages.
func gzipMessages() grpc.DialOption {
	return grpc.WithCompressor(grpc.NewGZIPCompressor()) //nolint:staticcheck // the successor registers it for the server too
}
