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

// logRouteOutage logs that the intake of a route is down, or back.
func (s *Server) logRouteOutage(to *access.Route, o intake.Outage) {
	whose := addressOf(to.Client)
	if tenants := s.routes.TenantsOf(to); len(tenants) > 0 {
		whose = append(whose, slog.String("tenant", text.Clip(strings.Join(tenants, ", "))))
	}
	s.logOutage(o, whose...)
}

// addressOf returns attributes that say where an intake is.
func addressOf(client *intake.Client) []any {
	attrs := []any{slog.String("intake", client.Host())}
	if proxy := client.Proxy(); proxy != "" {
		attrs = append(attrs, slog.String("proxy", proxy))
	}
	return attrs
}

// logOutage writes the line of an outage's beginning or end; whose are attributes.
// The reasons are of a fixed set, as what keeps the log short tells lines apart by
// them.
func (s *Server) logOutage(o intake.Outage, whose ...any) {
	attrs := slices.Concat(whose, []any{slog.Int("failed_attempts", o.FailedAttempts)})
	if o.HTTPStatus != 0 {
		attrs = append(attrs, slog.Int("http_status", o.HTTPStatus))
	}
	if o.Reason != "" {
		attrs = append(attrs, slog.String("error", text.Clip(o.Reason)))
	}
	if o.Over {
		s.logger.Info("intake is back", append(attrs, slog.Duration("down_for", o.Lasted.Round(time.Millisecond)))...)
		return
	}
	s.logger.Warn("intake takes nothing at present", append(attrs,
		slog.String("reason", string(o.Health)), slog.Duration("retry_in", o.RetryIn.Round(time.Millisecond)),
		slog.Int("unlogged", o.Untold))...)
}
