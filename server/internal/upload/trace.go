package upload

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/text"
)

// Tracer makes the spans of batches. The zero value makes none.
type Tracer struct{ Tracer trace.Tracer }

// describe adds the upload's attributes to the stream's span.
func (t Tracer) describe(ctx context.Context, h *batch.Header, o options) {
	if t.Tracer == nil {
		return
	}
	trace.SpanFromContext(ctx).SetAttributes(
		attribute.String("scopegate.upload_id", h.UploadID),
		attribute.String("scopegate.service", text.Clip(h.Service)),
		attribute.String("scopegate.version", text.Clip(text.OrEmpty(h.Version))),
		attribute.String("scopegate.language", text.Clip(h.Language)),
		attribute.Int("scopegate.first_batch_num", int(o.firstBatchNum)))
}

// batch begins the span of a batch. The function it returns ends the span, with the error
// if the batch was not accepted.
func (t Tracer) batch(ctx context.Context, b *batch.Batch) (context.Context, func(error)) {
	if t.Tracer == nil {
		return ctx, func(error) {}
	}
	ctx, span := t.Tracer.Start(ctx, "batch", trace.WithAttributes(
		attribute.Int("scopegate.batch.num", int(b.Num)),
		attribute.Bool("scopegate.batch.final", b.Final),
		attribute.Int64("scopegate.batch.scopes", b.ScopeCount),
		attribute.Int64("scopegate.batch.json_bytes", b.RawBytes),
		attribute.Int("scopegate.batch.gzip_bytes", b.File.Len())))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(otelcodes.Error, text.Clip(err.Error()))
		}
		span.End()
	}
}
