package telemetry_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scopegate/scopegate/server/internal/telemetry"
)

// BenchmarkBatch is what is counted and measured of a batch, all in all: sealed,
// posted once and accepted.
func BenchmarkBatch(b *testing.B) {
	attempt := telemetry.Attempt{Outcome: "accepted", HTTPStatus: 200}
	m := telemetry.NewMetrics(prometheus.NewRegistry(), nil, []telemetry.Attempt{attempt})
	for b.Loop() {
		m.BatchSealed(10<<20, 1<<20, 500, time.Second)
		m.BytesReceived.Add(3 << 20)
		m.Attempted(attempt, time.Second)
		m.BatchForwarded(true, time.Second)
		m.BytesForwarded.Add(1 << 20)
	}
}
