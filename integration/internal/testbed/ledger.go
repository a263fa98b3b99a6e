package testbed

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// requireBalance fails the test unless all that came into a server that has
// stopped has come to one end or another.
func requireBalance(tb testing.TB, registry prometheus.Gatherer) {
	tb.Helper()
	families, err := registry.Gather()
	if err != nil {
		tb.Errorf("gather metrics: %v", err)
	}
	sums := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.Contains(label.GetValue(), Canary) {
					tb.Errorf("metric %s has a secret in its label %s", family.GetName(), label.GetName())
				}
			}
			sums[family.GetName()] += metric.GetCounter().GetValue()
		}
	}
	for in, out := range map[string]string{
		"scopegate_scopes_received_total": "scopegate_scopes_total",
		"scopegate_batches_sealed_total":  "scopegate_batches_total",
	} {
		if _, ok := sums[in]; !ok {
			tb.Errorf("there is no metric %s", in)
		}
		if sums[in] != sums[out] {
			tb.Errorf("the ledger does not balance: %s is %v, the outcomes in %s are %v", in, sums[in], out, sums[out])
		}
	}
}
