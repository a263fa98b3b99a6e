package server

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/text"
)

// logRouteOutage logs that the intake of a route is down or back up.
func (s *Server) logRouteOutage(to *access.Route, o intake.Outage) {
	labels := addressOf(to.Client)
	if tenants := s.routes.TenantsOf(to); len(tenants) > 0 {
		labels = append(labels, slog.String("tenant", text.Clip(strings.Join(tenants, ", "))))
	}
	s.logOutage(o, labels...)
}

// addressOf returns attributes that say where an intake is.
func addressOf(client *intake.Client) []any {
	attrs := []any{slog.String("intake", client.Host())}
	if proxy := client.Proxy(); proxy != "" {
		attrs = append(attrs, slog.String("proxy", proxy))
	}
	return attrs
}

// logOutage logs the beginning or the end of an outage, with further attributes. The
// reasons form a fixed set, so that log pipelines can group lines by them.
func (s *Server) logOutage(o intake.Outage, labels ...any) {
	attrs := slices.Concat(labels, []any{slog.Int("failed_attempts", o.FailedAttempts)})
	if o.HTTPStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", o.HTTPStatus))
	}
	if o.Reason != "" {
		attrs = append(attrs, slog.String("error", text.Clip(o.Reason)))
	}
	if o.Over {
		s.logger.Info("intake up", append(attrs, slog.Duration("down_for", o.Lasted.Round(time.Millisecond)))...)
		return
	}
	s.logger.Warn("intake down", append(attrs,
		slog.String("reason", string(o.Health)), slog.Duration("retry_in", o.RetryIn.Round(time.Millisecond)),
		slog.Int("unlogged", o.Unreported))...)
}
