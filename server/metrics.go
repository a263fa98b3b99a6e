package server

import (
	"maps"
	"strconv"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/connlimit"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/mirror"
	"github.com/scopegate/scopegate/server/internal/spool"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// metrics holds the metrics that the server's parts push to. Add a new metric here if a
// part pushes it, or to registerReadMetrics if it is read at each scrape. Then run `make
// generate` to list it in docs/operations.md.
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

	additional *prometheus.CounterVec // nil without additional intakes
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

// newMetrics registers the metrics that the server's parts push to, and creates all their
// series.
func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		registry: r,
		rpc:      register(r, grpcprometheus.NewServerMetrics(grpcprometheus.WithServerHandlingTimeHistogram())),
		connectionsEnded: register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "connections_ended_total",
			Help: "Connections ended because the client violated HTTP/2, sent too many small frames, or did not read " +
				"its answers. One that never began to speak HTTP/2 is not counted.",
		})),

		uploads: counterVec(r, "uploads_total", "Ended uploads (streams), by gRPC status code and by the reason in "+
			"the status's ErrorInfo.", "code", "reason"),
		uploadDuration: histogramVec(r, "upload_duration_seconds",
			"Time that an upload (stream) was open.", uploadBuckets, "code"),

		batchJSON:   histogram(r, "batch_json_bytes", "Length of a sealed batch's JSON.", sizeBuckets),
		batchGzip:   histogram(r, "batch_gzip_bytes", "Length of a sealed batch's gzip file.", sizeBuckets),
		batchScopes: histogram(r, "batch_scopes", "Root scopes of a sealed batch.", countBuckets),
		batchAge:    histogram(r, "batch_age_seconds", "Time from a batch's first scope to its sealing.", durationBuckets),

		forwardDuration: histogramVec(r, "intake_forward_duration_seconds",
			"Time to forward a batch: all attempts and the waits before and between them.",
			durationBuckets, "outcome"),
		attempts: counterVec(r, "intake_attempts_total",
			"Attempts to post a batch.",
			"outcome", "status"),
		attemptDuration: histogramVec(r, "intake_attempt_duration_seconds",
			"Time from the start of an attempt to the end of the answer.", durationBuckets, "outcome"),
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

// registerReadMetrics registers the metrics that are read from the server's parts at each
// scrape.
func (s *Server) registerReadMetrics() {
	r, limits := readMetrics{s.metrics.registry}, s.config.Limits
	r.gauge("ready", "1 from the start until a shutdown begins, also while memory is full or the intake is down; else 0.",
		one(s.Ready))
	r.gauge("uploads_in_flight", "Open uploads (streams).", number(s.uploads.InFlight))
	r.gauge("uploads_limit", "Limit of uploads in flight. 0: memory is the only limit.", fixed(limits.Uploads))
	r.uploads(&s.uploads.Counts)
	r.access(&s.access.Counts)
	r.door(s.door)
	r.connections(s.connections, limits.Connections)
	r.memory(s.budget)
	r.spool(s.spool, limits.SpoolBytes, &s.uploads.Counts)
	r.compressors(s.compressors)
	r.intake(s.routes.Own.Client)
	r.gauge("intake_failing", "1 while the intake fails, refuses batches or does not answer.",
		one(s.intakeFails))
}

// readMetrics registers metrics that are read at each scrape. The functions that read them
// must be safe for concurrent use and must not block.
type readMetrics struct{ registry prometheus.Registerer }

func (r readMetrics) uploads(c *upload.Counts) {
	const outcomes = " by outcome: accepted by the intake, refused as invalid, or given back to the client."
	r.counter("scopes_received_total", "Scopes received.", c.ScopesReceived.Load)
	r.counters("scopes_total", "Scopes"+outcomes, "outcome", values{
		"accepted": c.ScopesAccepted.Load, "refused": c.ScopesRefused.Load, "given_back": c.ScopesGivenBack.Load,
	})
	r.counter("batches_sealed_total", "Batches sealed.", c.BatchesSealed.Load)
	r.counters("batches_total", "Batches"+outcomes, "outcome", values{
		"accepted": c.BatchesAccepted.Load, "refused": c.BatchesRefused.Load, "given_back": c.BatchesGivenBack.Load,
	})
	r.counters("bytes_total", "Bytes by stage: received (protobuf), json and gzip (sealed batches), and "+
		"forwarded (gzip of batches that the intake has accepted).", "stage",
		values{
			"received": c.ReceivedBytes.Load, "json": c.SealedJSONBytes.Load, "gzip": c.SealedGzipBytes.Load,
			"forwarded": c.AcceptedGzipBytes.Load,
		})
}

func (r readMetrics) access(c *access.Counts) {
	r.counters("authentications_total",
		"Credentials of streams. Denied: the upload or service is not the tenant's.", "outcome",
		values{
			"accepted": c.Accepted.Load, "absent": c.Absent.Load, "unknown": c.Unknown.Load, "expired": c.Expired.Load,
			"denied": c.Denied.Load,
		})
}

func (r readMetrics) door(d *door) {
	r.gauge("uploads_unbegun", "Uploads (streams) that have sent no scope yet.", number(d.unbegun.streams))
	r.counter("uploads_unbegun_refused_total", "Uploads refused because too many had sent no scope yet.",
		d.unbegun.refusals)
	r.gauge("health_calls_open", "Open health checks (unary calls).", number(d.calls.streams))
	r.gauge("other_streams_open", "Open streams of other services: health watches and reflection.",
		number(d.watches.streams))
}

// reading returns a function that turns a field of counts into a function that reads it.
func reading[C any](counts func() C) func(field func(C) int64) func() int64 {
	return func(field func(C) int64) func() int64 { return func() int64 { return field(counts()) } }
}

func (r readMetrics) connections(l *connlimit.Limiter, limit int) {
	count := reading(l.Counts)
	r.gauge("connections_limit", "Limit of open connections of clients.", fixed(limit))
	r.gauge("connections_open", "Open connections of clients.", count(func(c connlimit.Counts) int64 { return c.Open }))
	r.counter("connections_taken_total", "Accepted connections of clients. Refused ones are not counted.",
		count(func(c connlimit.Counts) int64 { return c.Taken }))
	r.counter("connections_refused_total", "Connections closed at once: the limit was reached and none was idle.",
		count(func(c connlimit.Counts) int64 { return c.Refused }))
	r.counter("connections_evicted_total", "Connections without an upload, closed to make room for others.",
		count(func(c connlimit.Counts) int64 { return c.Evicted }))
	r.counter("connections_unused_total", "Connections closed because no upload began in time.",
		count(func(c connlimit.Counts) int64 { return c.Unused }))
}

func (r readMetrics) memory(b *memory.Budget) {
	count := reading(b.Counts)
	r.gauge("memory_limit_bytes", "Size of the memory budget: 90% of the memory limit.", b.LimitBytes)
	r.gauge("memory_drawn_bytes", "Bytes drawn from the memory budget.", b.DrawnBytes)
	r.gauge("memory_drawn_peak_bytes", "Most bytes drawn at any time since the start.", b.PeakBytes)
	r.gauge("memory_waiting_uploads", "Uploads that are not read because memory is short.", number(b.Waiting))
	r.gauge("memory_admitted_uploads", "Uploads whose metadata was accepted.", number(b.Admitted))
	r.counter("memory_squeezes_total", "Times that an upload was asked to move batches out of memory.",
		count(func(c memory.Counts) int64 { return c.Squeezes }))
	r.counter("memory_read_pauses_total", "Reads from clients that were delayed because the budget was overdrawn.",
		count(func(c memory.Counts) int64 { return c.Pauses }))
	r.counter("memory_give_ups_total", "Times that an upload was asked to end because memory was short.",
		count(func(c memory.Counts) int64 { return c.Ends }))
	r.counters("memory_refusals_total", "Uploads refused, by the limit they reached.", "limit", values{
		"uploads":         count(func(c memory.Counts) int64 { return c.RefusedUploads }),
		"service_uploads": count(func(c memory.Counts) int64 { return c.RefusedServiceUploads }),
		"memory":          count(func(c memory.Counts) int64 { return c.RefusedBytes }),
		"service_memory":  count(func(c memory.Counts) int64 { return c.RefusedServiceBytes }),
		"tenant_uploads":  count(func(c memory.Counts) int64 { return c.RefusedTenantUploads }),
		"tenant_memory":   count(func(c memory.Counts) int64 { return c.RefusedTenantBytes }),
	})
}

func (r readMetrics) spool(s *spool.Spool, limitBytes int64, c *upload.Counts) {
	used := fixed(0)
	if s == nil {
		limitBytes = 0
	} else {
		used = s.UsedBytes
	}
	r.gauge("spool_used_bytes", "Bytes of batches in the spool.", used)
	r.gauge("spool_limit_bytes", "Limit of bytes in the spool. 0: no spool.", fixed(int(limitBytes)))
	r.counters("spool_errors_total", "Batches that could not move to the spool, because it was full or failed.", "reason",
		values{"full": c.SpoolFull.Load, "failed": c.SpoolFailed.Load})
}

func (r readMetrics) compressors(pool *encode.Pool) {
	r.gauge("compressors", "Number of compressors. Each compresses one chunk at a time.", fixed(pool.State().Compressors))
	r.gauge("compressors_in_use", "Compressors in use.", func() int64 { return int64(pool.State().InUse) })
	r.gauge("compressors_waiting_uploads", "Uploads waiting for a compressor.",
		func() int64 { return int64(pool.State().Waiting) })
	r.counter("compressor_waits_total", "Times that an upload had to wait for a compressor.",
		func() int64 { return pool.State().Waits })
	r.counter("batches_verified_total", "Batches that were decompressed and compared with their JSON (--verify-batches).",
		func() int64 { return pool.State().Verified })
	r.counter("chunks_compressed_again_total",
		"Chunks that were compressed wrongly, and then again by another encoder (--verify-batches).",
		func() int64 { return pool.State().Different })
	r.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: "compressor_wait_seconds_total",
		Help: "Total time that uploads have waited for a compressor.",
	}, func() float64 { return pool.State().Waited.Seconds() }))
}

func (r readMetrics) intake(c *intake.Client) {
	r.gauge("intake_connections_open", "Open connections to the intake.", func() int64 { return int64(c.State().Connections) })
	r.gauge("intake_connections_limit", "Limit of open connections to the intake.", fixed(c.State().MaxConnections))
	r.gauge("intake_posting_batches", "Batches being posted.", func() int64 { return int64(c.State().Posting) })
	r.gauge("intake_waiting_batches", "Batches waiting for a connection.",
		func() int64 { return int64(c.State().Waiting) })
	for _, health := range []intake.Health{intake.Up, intake.Throttled, intake.Down, intake.Probing} {
		r.labelledGauge("intake_state", "State of the intake: 1 for the current state, 0 for the others.",
			prometheus.Labels{"state": string(health)}, one(func() bool { return c.State().Health == health }))
	}
}

func (r readMetrics) gauge(name, help string, value func() int64) {
	r.labelledGauge(name, help, nil, value)
}

func (r readMetrics) labelledGauge(name, help string, labels prometheus.Labels, value func() int64) {
	r.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labels,
	}, func() float64 { return float64(value()) }))
}

func (r readMetrics) counter(name, help string, value func() int64) {
	r.labelledCounter(name, help, nil, value)
}

// values maps the values of a label to the metric's values.
type values map[string]func() int64

func (r readMetrics) counters(name, help, label string, series values) {
	for labelled, value := range series {
		r.labelledCounter(name, help, prometheus.Labels{label: labelled}, value)
	}
}

func (r readMetrics) labelledCounter(name, help string, labels prometheus.Labels, value func() int64) {
	r.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: namespace, Name: name, Help: help, ConstLabels: labels,
	}, func() float64 { return float64(value()) }))
}

func number(value func() int) func() int64 { return func() int64 { return int64(value()) } }

func fixed(n int) func() int64 { return func() int64 { return int64(n) } }

// one returns a function that returns 1 if on returns true, else 0.
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

// registerAdditional registers the counters of additional intakes.
func (m *metrics) registerAdditional(intakes int) {
	m.additional = counterVec(m.registry, "additional_batches_total",
		"Batches for an additional intake. Dropped: no room or time.",
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
