package upload

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/text"
)

// End describes a stream that has ended.
type End struct {
	Snapshot
	Outcome
	Took time.Duration
	// Err is why the stream failed, in more detail than its client learns. Nil: it
	// succeeded.
	Err error
}

// log logs the end of the stream, in one line.
func (u *upload) log(end End) {
	ctx := u.rpc.Context()
	level := end.level()
	if !u.server.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("code", end.Code.String())}
	if end.Err != nil {
		attrs = append(attrs, slog.String("reason", string(end.Reason)), slog.String("error", text.Clip(end.Err.Error())))
	}
	if h := end.Header; h != nil {
		attrs = append(attrs,
			slog.String("upload_id", text.Clip(h.UploadID)), slog.String("service", text.Clip(h.Service)),
			slog.String("env", text.Clip(text.OrEmpty(h.Env))),
			slog.String("version", text.Clip(text.OrEmpty(h.Version))), slog.String("language", text.Clip(h.Language)))
	}
	if end.Tenant != "" {
		attrs = append(attrs, slog.String("tenant", end.Tenant))
	}
	attrs = append(attrs,
		slog.Int64("scopes", end.Scopes), slog.Int64("accepted_scopes", end.AcceptedScopes),
		slog.Int("first_batch", int(end.FirstBatch)), slog.Int("batches", int(end.AcceptedBatches)),
		slog.Int64("wire_bytes", end.ReceivedBytes),
		slog.Int64("json_bytes", end.AcceptedJSONBytes), slog.Int64("gzip_bytes", end.AcceptedGzipBytes),
		slog.Duration("took", end.Took))
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", span.TraceID().String()))
	}
	u.server.Logger.LogAttrs(ctx, level, "upload ended", attrs...)
}

// level is Debug for streams without metadata, and for those that their clients cancelled.
func (e End) level() slog.Level {
	switch {
	case e.Code == codes.OK:
		return slog.LevelInfo
	case e.Header == nil, e.Code == codes.Canceled:
		return slog.LevelDebug
	}
	return slog.LevelWarn
}
