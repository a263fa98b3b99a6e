package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testbed.Forget()
		os.Exit(code)
	}))
}
