package server

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scopegate/scopegate/server/internal/admin"
)

// AdminConfig says what the admin port shows to whom.
type AdminConfig struct {
	// Metrics is what /metrics shows. Required.
	Metrics prometheus.Gatherer
	// Hosts are the names by which the admin port may be asked for, beside loopback
	// names and IP addresses.
	Hosts []string
	// Open shows page and profiles to other hosts too, and not just metrics and
	// health. There are no passwords.
	Open bool
}

// AdminHandler returns what an operator sees: /metrics, /healthz, /readyz,
// /debug/pprof/ and a page at /. docs/operations.md describes it. It may be served
// before Serve and after Shutdown.
func (s *Server) AdminHandler(cfg AdminConfig) http.Handler {
	return admin.New(admin.Config{
		Metrics: cfg.Metrics, Ready: s.Ready, Page: s.StatusPage(), Hosts: cfg.Hosts, Open: cfg.Open,
	})
}
