package server

import (
	"testing"

	"google.golang.org/grpc"
)

// Tracing that is off installs nothing that gRPC would call for each message.
func TestTracingOffInstallsNothing(t *testing.T) {
	t.Parallel()
	if option, empty := new(Server).spans().(grpc.EmptyServerOption); !empty {
		t.Errorf("there is a %T, want none", option)
	}
}
