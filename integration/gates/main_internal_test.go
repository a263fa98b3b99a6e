package main

import (
	"os"
	"testing"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) {
	code := leak.Run(m)
	testbed.Forget()
	os.Exit(code)
}
