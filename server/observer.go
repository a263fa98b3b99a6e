package server

import (
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// observer implements upload.Observer: it passes events to the metrics and to the status
// page.
type observer struct {
	*metrics
	activity *admin.Recorder
}

// BatchNumbered implements upload.Observer.
func (o observer) BatchNumbered(b *batch.Batch, age time.Duration) {
	o.batchJSON.Observe(float64(b.RawBytes))
	o.batchGzip.Observe(float64(b.File.Len()))
	o.batchScopes.Observe(float64(b.ScopeCount))
	o.batchAge.Observe(age.Seconds())
}

// BatchForwarded implements upload.Observer.
func (o observer) BatchForwarded(accepted bool, took time.Duration) {
	o.forwardDuration.WithLabelValues(forwardOutcome(accepted)).Observe(took.Seconds())
}

// UploadEnded implements upload.Observer.
func (o observer) UploadEnded(end upload.End) {
	o.uploadEnded(end.Outcome, end.Took)
	ended := admin.Finished{
		Label: shownLabel(end.Snapshot), Ended: time.Now(), Took: end.Took,
		Code: end.Code.String(), Good: end.Code == codes.OK,
		Scopes: end.Scopes, AcceptedScopes: end.AcceptedScopes,
		JSONBytes: end.AcceptedJSONBytes, GzipBytes: end.AcceptedGzipBytes, Batches: end.AcceptedBatches,
	}
	if end.Err != nil {
		ended.Reason, ended.Detail = string(end.Reason), end.Err.Error()
	}
	o.activity.Finish(ended)
	if end.Reason == upload.ReasonOverloaded {
		recordRefusal(o.activity, end.Err)
	}
}

// recordRefusal records a refusal with [upload.ReasonOverloaded].
func recordRefusal(activity *admin.Recorder, err error) {
	limit, ok := errors.AsType[*memory.OverloadError](err)
	activity.Refuse(time.Now(), err.Error(), !ok || limit.Name == "")
}

// uploadEnded counts a stream by its outcome.
func (m *metrics) uploadEnded(outcome upload.Outcome, took time.Duration) {
	code := outcome.Code.String()
	m.uploads.WithLabelValues(code, string(outcome.Reason)).Inc()
	m.uploadDuration.WithLabelValues(code).Observe(took.Seconds())
}

// attempted passes an attempt to post a batch to the main intake to the status page and
// the metrics.
func (s *Server) attempted(a intake.Attempt) {
	s.activity.Attempt(a)
	s.metrics.attempted(a)
}

// attempted counts an attempt to post a batch.
func (m *metrics) attempted(a intake.Attempt) {
	m.attempts.WithLabelValues(string(a.Class), statusClass(a.HTTPStatus)).Inc()
	m.attemptDuration.WithLabelValues(string(a.Class)).Observe(a.Duration.Seconds())
}
