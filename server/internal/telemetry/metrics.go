package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is what is counted and measured as it happens: once an upload, a batch
// or an attempt, never for each scope. All labels take their values from fixed
// sets. It is safe for concurrent use.
type Metrics struct {
	// BytesReceived is protobuf, BytesJSON and BytesGzip are those of sealed
	// batches, and BytesForwarded are the gzip bytes of accepted ones.
	BytesReceived, BytesJSON, BytesGzip, BytesForwarded prometheus.Counter
	// ConnectionsEnded are those that kept to no rule.
	ConnectionsEnded        prometheus.Counter
	SpoolFull, SpoolFailed  prometheus.Counter
	uploads                 *prometheus.CounterVec
	uploadDuration          *prometheus.HistogramVec
	batchJSON, batchGzip    prometheus.Histogram
	batchScopes, batchAge   prometheus.Histogram
	forwarded, notForwarded prometheus.Observer
	attempts                *prometheus.CounterVec
	attemptDuration         *prometheus.HistogramVec
}

// Outcome is how an upload ended.
type Outcome struct {
	// Code is the gRPC status.
	Code string
	// Reason is that of the status's google.rpc.ErrorInfo; NONE where all went
	// well.
	Reason string
}

// Attempt is how an attempt at posting a batch can end.
type Attempt struct {
	// Outcome is its class.
	Outcome string
	// HTTPStatus is the answer's; 0: there was none.
	HTTPStatus int
}

// statusClass returns such as 2xx, or none.
func (a Attempt) statusClass() string {
	if a.HTTPStatus < 100 || a.HTTPStatus > 599 {
		if a.HTTPStatus == 0 {
			return "none"
		}
		return "other"
	}
	return strconv.Itoa(a.HTTPStatus/100) + "xx"
}

// The borders of histograms: sizes in steps of 4, durations in steps of about 3.
var (
	sizeBuckets     = prometheus.ExponentialBuckets(1<<10, 4, 9) // 1 KiB to 64 MiB
	countBuckets    = prometheus.ExponentialBuckets(1, 4, 9)     // 1 to 65,536
	durationBuckets = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300}
)

// NewMetrics returns metrics that are registered with r, and whose series are all
// there from the start: those of uploads with each of the outcomes, and those of
// attempts with each of the attempts. It panics where they are registered already.
func NewMetrics(r prometheus.Registerer, outcomes []Outcome, attempts []Attempt) *Metrics {
	m := &Metrics{
		uploads: newVec(r, "uploads_total", "Uploads (streams) that have ended, by what their client was told: "+
			"the gRPC status code, and the reason of its ErrorInfo.", "code", "reason"),
		uploadDuration: newHistogramVec(r, "upload_duration_seconds",
			"Time that an upload (stream) was open, by its gRPC status code.",
			[]float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600}, "code"),

		ConnectionsEnded: newCounter(r, "connections_ended_total",
			"Connections that were ended because their client kept to no rule of HTTP/2, held too much in "+
				"small frames, or took no answers."),

		batchJSON:   newHistogram(r, "batch_json_bytes", "Length of a sealed batch's JSON.", sizeBuckets),
		batchGzip:   newHistogram(r, "batch_gzip_bytes", "Length of a sealed batch's gzip file.", sizeBuckets),
		batchScopes: newHistogram(r, "batch_scopes", "Root scopes of a sealed batch.", countBuckets),
		batchAge:    newHistogram(r, "batch_age_seconds", "Time from a batch's first scope to its sealing.", durationBuckets),

		attempts: newVec(r, "intake_attempts_total",
			"Attempts at posting a batch, by what became of them and the class of the answer's HTTP status.",
			"outcome", "status"),
		attemptDuration: newHistogramVec(r, "intake_attempt_duration_seconds",
			"Time from the request to the end of its answer, by what became of it.", durationBuckets, "outcome"),
	}
	bytes := newVec(r, "bytes_total", "Bytes by the stage that they have come to: protobuf received; "+
		"JSON and gzip of sealed batches; gzip of batches forwarded, which are those that the intake has accepted.", "stage")
	m.BytesReceived, m.BytesJSON = bytes.WithLabelValues("received"), bytes.WithLabelValues("json")
	m.BytesGzip, m.BytesForwarded = bytes.WithLabelValues("gzip"), bytes.WithLabelValues("forwarded")
	spool := newVec(r, "spool_errors_total", "Batches that could not be moved to the spool: it was full, or failed.", "reason")
	m.SpoolFull, m.SpoolFailed = spool.WithLabelValues("full"), spool.WithLabelValues("failed")
	forward := newHistogramVec(r, "intake_forward_duration_seconds",
		"Time that a batch was on its way: all attempts, and the waiting in front of and between them.",
		durationBuckets, "outcome")
	m.forwarded, m.notForwarded = forward.WithLabelValues("accepted"), forward.WithLabelValues("failed")
	for _, o := range outcomes {
		m.uploads.WithLabelValues(o.Code, o.Reason)
		m.uploadDuration.WithLabelValues(o.Code)
	}
	for _, a := range attempts {
		m.attempts.WithLabelValues(a.Outcome, a.statusClass())
		m.attemptDuration.WithLabelValues(a.Outcome)
	}
	return m
}

// UploadEnded counts and measures an upload. The outcome must be of a fixed set.
func (m *Metrics) UploadEnded(o Outcome, took time.Duration) {
	m.uploads.WithLabelValues(o.Code, o.Reason).Inc()
	m.uploadDuration.WithLabelValues(o.Code).Observe(took.Seconds())
}

// BatchSealed measures a batch that has just been sealed.
func (m *Metrics) BatchSealed(jsonBytes int64, gzipBytes int, scopes int64, age time.Duration) {
	m.BytesJSON.Add(float64(jsonBytes))
	m.BytesGzip.Add(float64(gzipBytes))
	m.batchJSON.Observe(float64(jsonBytes))
	m.batchGzip.Observe(float64(gzipBytes))
	m.batchScopes.Observe(float64(scopes))
	m.batchAge.Observe(age.Seconds())
}

// BatchForwarded measures how long a batch was on its way until it was accepted,
// or was not.
func (m *Metrics) BatchForwarded(accepted bool, took time.Duration) {
	if accepted {
		m.forwarded.Observe(took.Seconds())
		return
	}
	m.notForwarded.Observe(took.Seconds())
}

// Attempted counts and measures an attempt. Its outcome must be of a fixed set.
func (m *Metrics) Attempted(a Attempt, took time.Duration) {
	m.attempts.WithLabelValues(a.Outcome, a.statusClass()).Inc()
	m.attemptDuration.WithLabelValues(a.Outcome).Observe(took.Seconds())
}
