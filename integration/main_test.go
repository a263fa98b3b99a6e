package integration_test

import (
	"fmt"
	"os"
	"testing"

	_ "github.com/scopegate/scopegate/client/compression" // as the command does
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/leak"
	"github.com/scopegate/scopegate/server"
)

func TestMain(m *testing.M) {
	if arguments := os.Getenv(openEndedVariable); arguments != "" {
		fmt.Fprintln(os.Stderr, "open-ended client:", uploadOpenEnded(arguments))
		os.Exit(1)
	}
	forget, err := testbed.TrustIntakes()
	if err != nil {
		fmt.Fprintln(os.Stderr, "trust intakes:", err)
		os.Exit(1)
	}
	code := leak.Run(m)
	forget()
	testbed.Forget()
	os.Exit(code)
}

// threshold returns a configuration with that flush threshold.
func threshold(bytes int) func(*server.Config) {
	return func(cfg *server.Config) { cfg.FlushThresholdBytes = bytes }
}
