package payload_test

import (
	"testing"

	"github.com/scopegate/scopegate/integration/leak"
)

func TestMain(m *testing.M) { leak.Verify(m) }
