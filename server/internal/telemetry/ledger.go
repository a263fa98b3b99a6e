// Package telemetry holds the server's metrics. Start at [NewLedger], the
// account of what became of every scope and batch.
package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Ledger is the account of scopes and batches. When no upload is in flight,
//
//	scopes received = accepted + refused + given back
//	batches sealed = accepted + refused + given back
//
// A batch that the intake found too large and that was split counts as refused,
// and its parts as sealed. It is safe for concurrent use.
type Ledger struct {
	ScopesReceived, ScopesAccepted, ScopesRefused, ScopesGivenBack   prometheus.Counter
	BatchesSealed, BatchesAccepted, BatchesRefused, BatchesGivenBack prometheus.Counter
}

// NewLedger returns a ledger whose counters are registered with r, unless that
// is nil. It panics where they are registered already.
func NewLedger(r prometheus.Registerer) *Ledger {
	scopes := newOutcomes(r, "scopes", "received")
	batches := newOutcomes(r, "batches", "sealed")
	return &Ledger{
		ScopesReceived: scopes[0], ScopesAccepted: scopes[1], ScopesRefused: scopes[2], ScopesGivenBack: scopes[3],
		BatchesSealed: batches[0], BatchesAccepted: batches[1], BatchesRefused: batches[2], BatchesGivenBack: batches[3],
	}
}

// newOutcomes registers the counters of things that come in and end in one of
// three ways.
func newOutcomes(r prometheus.Registerer, what, incoming string) [4]prometheus.Counter {
	in := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "scopegate_" + what + "_" + incoming + "_total",
		Help: "Number of " + what + " " + incoming + ".",
	})
	out := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "scopegate_" + what + "_total",
		Help: "Number of " + what + " by outcome: accepted by the intake, refused as wrong, or given back to the client.",
	}, []string{"outcome"})
	if r != nil {
		r.MustRegister(in, out)
	}
	return [4]prometheus.Counter{
		in, out.WithLabelValues("accepted"), out.WithLabelValues("refused"), out.WithLabelValues("given_back"),
	}
}
