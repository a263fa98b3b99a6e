package server

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/text"
)

// tellEnd counts a stream by its end, and writes the one line that it leaves: what
// it was, what became of it, and, more than its client is told, why.
func (u *upload) tellEnd(code codes.Code, why reason, err error) {
	took := time.Since(u.stream.pace.began)
	u.service.metrics.UploadEnded(outcome(code, why), took)
	ctx := u.stream.rpc.Context()
	level := u.endLevel(code)
	if !u.service.logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("code", code.String())}
	if err != nil {
		attrs = append(attrs, slog.String("reason", string(why)), slog.String("error", text.Clip(err.Error())))
	}
	if h := u.header; h != nil {
		attrs = append(attrs,
			slog.String("upload_id", text.Clip(h.UploadID)), slog.String("service", text.Clip(h.Service)),
			slog.String("env", text.Clip(h.Env)),
			slog.String("version", text.Clip(h.Version)), slog.String("language", text.Clip(h.Language)))
	}
	if name := u.grant.TenantName(); name != "" {
		attrs = append(attrs, slog.String("tenant", name))
	}
	d := u.delivery
	attrs = append(attrs,
		slog.Int64("scopes", u.stream.scopes.Load()), slog.Int64("accepted_scopes", d.acceptedScopes),
		slog.Int("first_batch", int(d.options.firstBatchNum)), slog.Int("batches", int(d.nextNum-d.options.firstBatchNum)),
		slog.Int64("wire_bytes", u.standing.receivedBytes.Load()),
		slog.Int64("json_bytes", d.rawBytes), slog.Int64("gzip_bytes", d.compressed),
		slog.Duration("took", took))
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	u.service.logger.LogAttrs(ctx, level, "upload ended", attrs...)
}

func (u *upload) endLevel(code codes.Code) slog.Level {
	switch {
	case code == codes.OK:
		return slog.LevelInfo
	case u.header == nil, code == codes.Canceled:
		return slog.LevelDebug // the client's own doing, as often as it likes
	}
	return slog.LevelWarn
}

// tellOutage logs that the intake at the end of the route takes nothing, or is back.
func (s *service) tellOutage(to *access.Route, o intake.Outage) {
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
func (s *service) logOutage(o intake.Outage, whose ...any) {
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
