package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// AdditionalLedger is the account of the batches that were offered to one
// additional intake. It is safe for concurrent use.
type AdditionalLedger struct {
	Accepted, Refused, Dropped prometheus.Counter
}

// NewAdditional returns a ledger for each of so many additional intakes, whose
// counters are registered with r. It panics where they are registered already. The intakes are
// numbered from 1, as their names can hold secrets.
func NewAdditional(r prometheus.Registerer, count int) []AdditionalLedger {
	batches := newVec(r, "additional_batches_total",
		"Batches offered to an additional intake, by outcome: accepted, refused by it, or dropped for want of room or time.",
		"intake", "outcome")
	ledgers := make([]AdditionalLedger, count)
	for i := range ledgers {
		number := strconv.Itoa(i + 1)
		ledgers[i] = AdditionalLedger{
			Accepted: batches.WithLabelValues(number, "accepted"),
			Refused:  batches.WithLabelValues(number, "refused"),
			Dropped:  batches.WithLabelValues(number, "dropped"),
		}
	}
	return ledgers
}
