package server

import (
	"maps"
	"strconv"
	"time"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/mirror"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// metrics holds the metrics that the server's parts report to. readParts registers the
// others, which are read from the parts. docs/operations.md lists them all.
type metrics struct {
	registry prometheus.Registerer

	rpc              *grpcprometheus.ServerMetrics
	connectionsEnded prometheus.Counter

	uploads        *prometheus.CounterVec
	uploadDuration *prometheus.HistogramVec

	batchJSON, batchGzip, batchScopes, batchAge prometheus.Histogram

	forwardDuration *prometheus.HistogramVec
	attempts        *prometheus.CounterVec
	attemptDuration *prometheus.HistogramVec

	additional *prometheus.CounterVec // nil: there is no additional intake
}

// namespace is the prefix of the server's own metrics.
const namespace = "scopegate"

// The buckets of histograms.
var (
	sizeBuckets     = prometheus.ExponentialBuckets(1<<10, 4, 9) // 1 KiB to 64 MiB
	countBuckets    = prometheus.ExponentialBuckets(1, 4, 9)     // 1 to 65,536
	durationBuckets = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300}
	uploadBuckets   = []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3600}
)

// newMetrics registers the metrics that the server's parts report to, and creates all
// their series.
func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		registry: r,
		rpc:      register(r, grpcprometheus.NewServerMetrics(grpcprometheus.WithServerHandlingTimeHistogram())),
		connectionsEnded: register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "connections_ended_total",
			Help: "Connections that were ended because their client kept to no rule of HTTP/2, held too much in " +
				"small frames, or took no answers.",
		})),

		uploads: counterVec(r, "uploads_total", "Uploads (streams) that have ended, by what their client was told: "+
			"the gRPC status code, and the reason of its ErrorInfo.", "code", "reason"),
		uploadDuration: histogramVec(r, "upload_duration_seconds",
			"Time that an upload (stream) was open, by its gRPC status code.", uploadBuckets, "code"),

		batchJSON:   histogram(r, "batch_json_bytes", "Length of a sealed batch's JSON.", sizeBuckets),
		batchGzip:   histogram(r, "batch_gzip_bytes", "Length of a sealed batch's gzip file.", sizeBuckets),
		batchScopes: histogram(r, "batch_scopes", "Root scopes of a sealed batch.", countBuckets),
		batchAge:    histogram(r, "batch_age_seconds", "Time from a batch's first scope to its sealing.", durationBuckets),

		forwardDuration: histogramVec(r, "intake_forward_duration_seconds",
			"Time that a batch was on its way: all attempts, and the waiting in front of and between them.",
			durationBuckets, "outcome"),
		attempts: counterVec(r, "intake_attempts_total",
			"Attempts at posting a batch, by what became of them and the class of the answer's HTTP status.",
			"outcome", "status"),
		attemptDuration: histogramVec(r, "intake_attempt_duration_seconds",
			"Time from the request to the end of its answer, by what became of it.", durationBuckets, "outcome"),
	}
	for _, o := range upload.Outcomes() {
		m.uploads.WithLabelValues(o.Code.String(), string(o.Reason))
		m.uploadDuration.WithLabelValues(o.Code.String())
	}
	for class, statuses := range intake.Outcomes() {
		for _, status := range statuses {
			m.attempts.WithLabelValues(string(class), statusClass(status))
		}
		m.attemptDuration.WithLabelValues(string(class))
	}
	for _, accepted := range []bool{true, false} {
		m.forwardDuration.WithLabelValues(forwardOutcome(accepted))
	}
	return m
}

// BatchSealed implements upload.Observer.
func (m *metrics) BatchNumbered(b *batch.Batch, age time.Duration) {
	m.batchJSON.Observe(float64(b.RawBytes))
	m.batchGzip.Observe(float64(b.File.Len()))
	m.batchScopes.Observe(float64(b.ScopeCount))
	m.batchAge.Observe(age.Seconds())
}

// BatchForwarded implements upload.Observer.
func (m *metrics) BatchForwarded(accepted bool, took time.Duration) {
	m.forwardDuration.WithLabelValues(forwardOutcome(accepted)).Observe(took.Seconds())
}

// uploadEnded counts a stream by its outcome.
func (m *metrics) uploadEnded(how upload.Outcome, took time.Duration) {
	code := how.Code.String()
	m.uploads.WithLabelValues(code, string(how.Reason)).Inc()
	m.uploadDuration.WithLabelValues(code).Observe(took.Seconds())
}

// attempted counts an attempt at posting a batch.
func (m *metrics) attempted(a intake.Attempt) {
	m.attempts.WithLabelValues(string(a.Class), statusClass(a.HTTPStatus)).Inc()
	m.attemptDuration.WithLabelValues(string(a.Class)).Observe(a.Duration.Seconds())
}

// readParts registers the metrics whose values are read from the server's parts.
func (s *Server) readParts() {
	r, limits := reader{s.metrics.registry}, s.config.Limits
	r.gauge("ready", "1 while uploads are taken, 0 before and while the server stops.", one(s.Ready))
	r.gauge("uploads_in_flight", "Uploads (streams) that are open.", number(s.uploads.InFlight))
	r.gauge("uploads_limit", "Most uploads in flight; 0: as many as memory has room for.", fixed(limits.Uploads))
	r.uploads(&s.uploads.Counts)
	r.access(&s.access.Counts)
	r.door(s.door)
	r.connections(s.connections, limits.Connections)
	r.memory(s.budget)
	r.spool(s.spool, limits.SpoolBytes, &s.uploads.Counts)
	r.compressors(s.compressors)
	r.intake(s.routes.Own.Client)
}

// reader registers metrics whose values are read at each scrape. The functions that read
// them must be safe for concurrent use and must not block.
type reader struct{ registry prometheus.Registerer }

func (r reader) uploads(c *upload.Counts) {
	const outcomes = " by outcome: accepted by the intake, refused as wrong, or given back to the client."
	r.counter("scopes_received_total", "Number of scopes received.", c.ScopesReceived.Load)
	r.counters("scopes_total", "Number of scopes"+outcomes, "outcome", values{
		"accepted": c.ScopesAccepted.Load, "refused": c.ScopesRefused.Load, "given_back": c.ScopesGivenBack.Load,
	})
	r.counter("batches_sealed_total", "Number of batches sealed.", c.BatchesSealed.Load)
	r.counters("batches_total", "Number of batches"+outcomes, "outcome", values{
		"accepted": c.BatchesAccepted.Load, "refused": c.BatchesRefused.Load, "given_back": c.BatchesGivenBack.Load,
	})
	r.counters("bytes_total", "Bytes by the stage that they have come to: protobuf received; "+
		"JSON and gzip of sealed batches; gzip of batches forwarded, which are those that the intake has accepted.", "stage",
		values{
			"received": c.ReceivedBytes.Load, "json": c.SealedJSONBytes.Load, "gzip": c.SealedGzipBytes.Load,
			"forwarded": c.AcceptedGzipBytes.Load,
		})
}

func (r reader) access(c *access.Counts) {
	r.counters("authentications_total",
		"Streams by what their credential was: accepted, absent, unknown, expired, or denied an upload or a service.", "outcome",
		values{
			"accepted": c.Accepted.Load, "absent": c.Absent.Load, "unknown": c.Unknown.Load, "expired": c.Expired.Load,
			"denied": c.Denied.Load,
		})
}

func (r reader) door(d *door) {
	r.gauge("uploads_unbegun", "Uploads (streams) that have sent no scope yet.", number(d.unbegun.streams))
	r.counter("uploads_unbegun_refused_total", "Uploads that were refused, as too many had sent no scope yet.",
		d.unbegun.refusals)
	r.gauge("health_calls_open", "Open calls with one answer: for the server's health.", number(d.calls.streams))
	r.gauge("other_streams_open", "Open streams of other services: watchers of the server's health, and reflection.",
		number(d.watches.streams))
}

// reading returns a function that makes a metric's value of one field of counts.
func reading[C any](counts func() C) func(field func(C) int64) func() int64 {
	return func(field func(C) int64) func() int64 { return func() int64 { return field(counts()) } }
}

func (r reader) connections(l *connlimit.Limiter, limit int) {
	count := reading(l.Counts)
	r.gauge("connections_limit", "Most open connections of clients.", fixed(limit))
	r.gauge("connections_open", "Open connections of clients.", count(func(c connlimit.Counts) int64 { return c.Open }))
	r.counter("connections_taken_total", "Connections that clients have opened, those refused left out.",
		count(func(c connlimit.Counts) int64 { return c.Taken }))
	r.counter("connections_refused_total", "Connections that were closed at once, as there were too many that are used.",
		count(func(c connlimit.Counts) int64 { return c.Refused }))
	r.counter("connections_evicted_total", "Connections without an upload that were closed to make room for others.",
		count(func(c connlimit.Counts) int64 { return c.Evicted }))
	r.counter("connections_unused_total", "Connections that were closed as no upload was begun in time.",
		count(func(c connlimit.Counts) int64 { return c.Unused }))
}

func (r reader) memory(b *memory.Budget) {
	count := reading(b.Counts)
	r.gauge("memory_limit_bytes", "Bytes that can be drawn from the memory budget: 90 % of the memory limit.", b.LimitBytes)
	r.gauge("memory_drawn_bytes", "Bytes drawn from the memory budget.", b.DrawnBytes)
	r.gauge("memory_drawn_peak_bytes", "Most bytes that were ever drawn from the memory budget.", b.PeakBytes)
	r.gauge("memory_waiting_uploads", "Uploads that are not read at present, for want of memory.", number(b.Waiting))
	r.gauge("memory_admitted_uploads", "Uploads whose metadata was taken.", number(b.Admitted))
	r.counter("memory_squeezes_total", "Times that an upload was asked to move its batches out of memory.",
		count(func(c memory.Counts) int64 { return c.Squeezes }))
	r.counter("memory_read_pauses_total", "Reads from clients that waited, as more was drawn than there is.",
		count(func(c memory.Counts) int64 { return c.Pauses }))
	r.counter("memory_give_ups_total", "Times that an upload was asked to end, as memory was short and its client slow.",
		count(func(c memory.Counts) int64 { return c.Ends }))
	r.counters("memory_refusals_total", "Uploads that were refused, by the limit that had no room.", "limit", values{
		"uploads":         count(func(c memory.Counts) int64 { return c.RefusedUploads }),
		"service_uploads": count(func(c memory.Counts) int64 { return c.RefusedCallerUploads }),
		"memory":          count(func(c memory.Counts) int64 { return c.RefusedBytes }),
		"service_memory":  count(func(c memory.Counts) int64 { return c.RefusedCallerBytes }),
		"tenant_uploads":  count(func(c memory.Counts) int64 { return c.RefusedGroupUploads }),
		"tenant_memory":   count(func(c memory.Counts) int64 { return c.RefusedGroupBytes }),
	})
}

func (r reader) spool(s *spool.Spool, limitBytes int64, c *upload.Counts) {
	used := fixed(0)
	if s == nil {
		limitBytes = 0
	} else {
		used = s.UsedBytes
	}
	r.gauge("spool_used_bytes", "Bytes of batches that are in the spool.", used)
	r.gauge("spool_limit_bytes", "Most bytes of batches in the spool; 0: there is none.", fixed(int(limitBytes)))
	r.counters("spool_errors_total", "Batches that could not be moved to the spool: it was full, or failed.", "reason",
		values{"full": c.SpoolFull.Load, "failed": c.SpoolFailed.Load})
}

func (r reader) compressors(pool *encode.Pool) {
	r.gauge("compressors", "Compressors, and so chunks that can be compressed at the same time.", fixed(pool.State().Compressors))
	r.gauge("compressors_in_use", "Compressors that compress.", func() int64 { return int64(pool.State().InUse) })
	r.gauge("compressors_waiting_uploads", "Uploads that wait for a compressor.",
		func() int64 { return int64(pool.State().Waiting) })
	r.counter("compressor_waits_total", "Times that an upload had to wait for a compressor.",
		func() int64 { return pool.State().Waits })
	r.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "compressor_wait_seconds_total",
		Help: "Time that uploads have waited for a compressor, all in all.",
	}, func() float64 { return pool.State().Waited.Seconds() }))
}

func (r reader) intake(c *intake.Client) {
	r.gauge("intake_connections_open", "Open connections to the intake.", func() int64 { return int64(c.State().Connections) })
	r.gauge("intake_connections_limit", "Most open connections to the intake.", fixed(c.State().MaxConnections))
	r.gauge("intake_posting_batches", "Batches that are being posted.", func() int64 { return int64(c.State().Posting) })
	r.gauge("intake_waiting_batches", "Batches that wait for their turn at a connection.",
		func() int64 { return int64(c.State().Waiting) })
	for _, health := range []intake.Health{intake.Up, intake.Throttled, intake.Down, intake.Probing} {
		r.labelledGauge("intake_state", "What the intake is taken for: 1 at that state, 0 at the others.",
			prometheus.Labels{"state": string(health)}, one(func() bool { return c.State().Health == health }))
	}
}

func (r reader) gauge(name, help string, value func() int64) { r.labelledGauge(name, help, nil, value) }

func (r reader) labelledGauge(name, help string, labels prometheus.Labels, value func() int64) {
	r.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labels,
	}, func() float64 { return float64(value()) }))
}

func (r reader) counter(name, help string, value func() int64) {
	r.labelledCounter(name, help, nil, value)
}

// values maps the values of a label to the metric's values.
type values map[string]func() int64

func (r reader) counters(name, help, label string, series values) {
	for labelled, value := range series {
		r.labelledCounter(name, help, prometheus.Labels{label: labelled}, value)
	}
}

func (r reader) labelledCounter(name, help string, labels prometheus.Labels, value func() int64) {
	r.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labels,
	}, func() float64 { return float64(value()) }))
}

func number(value func() int) func() int64 { return func() int64 { return int64(value()) } }

func fixed(n int) func() int64 { return func() int64 { return int64(n) } }

// one returns 1 while on, else 0.
func one(on func() bool) func() int64 {
	return func() int64 {
		if on() {
			return 1
		}
		return 0
	}
}

func forwardOutcome(accepted bool) string {
	if accepted {
		return "accepted"
	}
	return "failed"
}

// statusClass returns the class of an HTTP status, such as 2xx.
func statusClass(status int) string {
	switch {
	case status == 0:
		return "none"
	case status < 100 || status > 599:
		return "other"
	}
	return strconv.Itoa(status/100) + "xx"
}

func counterVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels))
}

func histogram(r prometheus.Registerer, name, help string, buckets []float64) prometheus.Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}))
}

func histogramVec(
	r prometheus.Registerer, name, help string, buckets []float64, labels ...string,
) *prometheus.HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels))
}

func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	r.MustRegister(c)
	return c
}

// countAdditional registers the counters of additional intakes.
func (m *metrics) countAdditional(intakes int) {
	m.additional = counterVec(m.registry, "additional_batches_total",
		"Batches offered to an additional intake, by outcome: accepted, refused by it, or dropped for want of room or time.",
		"intake", "outcome")
	for i := range intakes {
		for _, outcome := range []mirror.Outcome{mirror.Accepted, mirror.Refused, mirror.Dropped} {
			m.additional.WithLabelValues(strconv.Itoa(i+1), outcome.String())
		}
	}
}

// initializeRPC creates the series of all services' methods, except those of uploads.
// Uploads have their own metrics, because counting each message would double a stream's
// stack.
func (m *metrics) initializeRPC(server *grpc.Server) {
	counted := services(maps.Clone(server.GetServiceInfo()))
	delete(counted, symdbv1.SymbolDatabaseService_ServiceDesc.ServiceName)
	m.rpc.InitializeMetrics(counted)
}

type services map[string]grpc.ServiceInfo

// GetServiceInfo returns the services.
func (s services) GetServiceInfo() map[string]grpc.ServiceInfo { return s }
