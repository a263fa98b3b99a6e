package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Access counts who asked to be let in. It is safe for concurrent use.
type Access struct {
	// Accepted, Absent, Unknown and Expired count streams by what their credential
	// was found to be.
	Accepted, Absent, Unknown, Expired prometheus.Counter
	// Denied counts streams that wanted to go on with another tenant's upload.
	Denied prometheus.Counter
}

// NewAccess returns counters that are registered with r. It panics where they are
// registered already.
func NewAccess(r prometheus.Registerer) *Access {
	asked := newVec(r, "authentications_total",
		"Streams by what their credential was: accepted, absent, unknown, expired, or denied another's upload.", "outcome")
	return &Access{
		Accepted: asked.WithLabelValues("accepted"), Absent: asked.WithLabelValues("absent"),
		Unknown: asked.WithLabelValues("unknown"), Expired: asked.WithLabelValues("expired"),
		Denied: asked.WithLabelValues("denied"),
	}
}
