package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Access counts who asked to be let in. It is safe for concurrent use.
type Access struct {
	// Accepted, Absent, Unknown and Expired count streams by what their credential
	// was found to be.
	Accepted, Absent, Unknown, Expired prometheus.Counter
	// Denied counts streams for another tenant's upload, or for a service that is not
	// the tenant's.
	Denied prometheus.Counter
}

// NewAccess returns counters that are registered with r. It panics where they are
// registered already.
func NewAccess(r prometheus.Registerer) *Access {
	asked := newVec(r, "authentications_total",
		"Streams by what their credential was: accepted, absent, unknown, expired, or denied an upload or a service.", "outcome")
	return &Access{
		Accepted: asked.WithLabelValues("accepted"), Absent: asked.WithLabelValues("absent"),
		Unknown: asked.WithLabelValues("unknown"), Expired: asked.WithLabelValues("expired"),
		Denied: asked.WithLabelValues("denied"),
	}
}
