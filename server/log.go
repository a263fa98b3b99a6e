package server

import (
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
)

// logEnd writes the one line that a stream leaves: what it was, what became of
// it, and, more than its client is told, why.
func (u *upload) logEnd(code codes.Code, err error) {
	ctx := u.stream.rpc.Context()
	level := slog.LevelInfo
	attrs := []slog.Attr{slog.String("code", code.String())}
	switch {
	case err == nil:
	case u.header == nil, code == codes.Canceled:
		level = slog.LevelDebug // the client's own doing, as often as it likes
	default:
		level = slog.LevelWarn
	}
	if !u.service.logger.Enabled(ctx, level) {
		return
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	if h := u.header; h != nil {
		attrs = append(attrs,
			slog.String("upload_id", h.UploadID), slog.String("service", h.Service),
			slog.String("version", h.Version), slog.String("language", h.Language))
	}
	if t := u.terms.tenant; t != nil {
		attrs = append(attrs, slog.String("tenant", t.Name))
	}
	d := u.delivery
	attrs = append(attrs,
		slog.Int64("scopes", u.stream.scopes.Load()), slog.Int64("accepted_scopes", d.acceptedScopes),
		slog.Int("batches", int(d.nextNum-d.options.firstBatchNum)),
		slog.Int64("json_bytes", d.rawBytes), slog.Int64("gzip_bytes", d.compressed),
		slog.Duration("took", time.Since(u.stream.pace.began)))
	if client, ok := peer.FromContext(ctx); ok {
		attrs = append(attrs, slog.String("peer", client.Addr.String()))
	}
	u.service.logger.LogAttrs(ctx, level, "upload ended", attrs...)
}
