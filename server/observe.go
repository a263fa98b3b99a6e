package server

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/server/internal/access"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/telemetry"
)

// outcomes are how uploads end, all that status.go makes of it.
var outcomes = []struct {
	code   codes.Code
	reason reason
}{
	{codes.OK, reasonNone},
	{codes.InvalidArgument, reasonStreamInvalid},
	{codes.InvalidArgument, reasonMetadataInvalid},
	{codes.InvalidArgument, reasonScopeInvalid},
	{codes.InvalidArgument, reasonScopeTooLarge},
	{codes.InvalidArgument, reasonBatchTooLarge},
	{codes.FailedPrecondition, reasonIntakeRefused},
	{codes.FailedPrecondition, reasonScopeUnsplittable},
	{codes.Unavailable, reasonIntakeUnreachable},
	{codes.Unavailable, reasonIntakeTimeout},
	{codes.Unavailable, reasonIntakeUnavailable},
	{codes.Unavailable, reasonShuttingDown},
	{codes.Unavailable, reasonConnectionAge},
	{codes.Unavailable, reasonTooSlow},
	{codes.Unauthenticated, reasonUnauthenticated},
	{codes.PermissionDenied, reasonPermission},
	{codes.ResourceExhausted, reasonOverloaded},
	{codes.Canceled, reasonCancelled},
	{codes.DeadlineExceeded, reasonDeadline},
	{codes.Internal, reasonInternal},
}

// reasonNone stands for the reason of an upload that went well.
const reasonNone = "NONE"

func outcome(code codes.Code, why reason) telemetry.Outcome {
	return telemetry.Outcome{Code: code.String(), Reason: string(why)}
}

// reasonOf returns the reason that publicStatus has put into a status.
func reasonOf(public error) reason {
	if public == nil {
		return reasonNone
	}
	for _, detail := range status.Convert(public).Details() {
		if found, ok := detail.(*errdetails.ErrorInfo); ok {
			return reason(found.GetReason())
		}
	}
	return reasonInternal
}

// newMetrics registers what the service counts.
func newMetrics(r prometheus.Registerer) *telemetry.Metrics {
	ends := make([]telemetry.Outcome, len(outcomes))
	for i, o := range outcomes {
		ends[i] = outcome(o.code, o.reason)
	}
	var attempts []telemetry.Attempt
	for class, statuses := range intake.Outcomes() {
		for _, s := range statuses {
			attempts = append(attempts, telemetry.Attempt{Outcome: string(class), HTTPStatus: s})
		}
	}
	return telemetry.NewMetrics(r, ends, attempts)
}

// attempted counts an attempt at posting a batch to the server's own intake, which
// the page is about.
func (s *service) attempted(a intake.Attempt) {
	s.activity.Attempt(a)
	s.attemptedElsewhere(a)
}

// attemptedElsewhere counts an attempt at posting a batch to a tenant's intake.
func (s *service) attemptedElsewhere(a intake.Attempt) {
	s.metrics.Attempted(telemetry.Attempt{Outcome: string(a.Class), HTTPStatus: a.HTTPStatus}, a.Duration)
}

// observe registers what the server's parts can tell of themselves.
func (s *Server) observe(r prometheus.Registerer) {
	s.service.observeMemory(r)
	s.service.observeCompressors(r)
	observeAccess(r, &s.service.access.Counts)
	observeIntake(r, s.service.routes.Own.Client)
	limits := s.service.config.Limits
	telemetry.Register(r,
		gauge("uploads_in_flight", "Uploads (streams) that are open.",
			func() float64 { return float64(s.service.uploads.count()) }),
		gauge("uploads_unbegun", "Uploads (streams) that have sent no scope yet.", streamsIn(s.door.unbegun)),
		gauge("health_calls_open", "Open calls with one answer: for the server's health.", streamsIn(s.door.calls)),
		gauge("other_streams_open", "Open streams of other services: watchers of the server's health, and reflection.",
			streamsIn(s.door.watches)),
		counter("uploads_unbegun_refused_total", "Uploads that were refused, as too many had sent no scope yet.",
			func() float64 { _, refused := s.door.unbegun.state(); return float64(refused) }),
		gauge("uploads_limit", "Most uploads in flight; 0: as many as memory has room for.", fixed(limits.Uploads)),
		gauge("connections_open", "Open connections of clients.",
			func() float64 { return float64(s.connections.Counts().Open) }),
		counter("connections_taken_total", "Connections that clients have opened, those refused left out.",
			func() float64 { return float64(s.connections.Counts().Taken) }),
		counter("connections_refused_total", "Connections that were closed at once, as there were too many that are used.",
			func() float64 { return float64(s.connections.Counts().Refused) }),
		counter("connections_evicted_total", "Connections without an upload that were closed to make room for others.",
			func() float64 { return float64(s.connections.Counts().Evicted) }),
		counter("connections_unused_total", "Connections that were closed as no upload was begun in time.",
			func() float64 { return float64(s.connections.Counts().Unused) }),
		gauge("connections_limit", "Most open connections of clients.", fixed(limits.Connections)),
		gauge("ready", "1 while uploads are taken, 0 before and while the server stops.", flag(s.Ready)),
	)
}

func (s *service) observeMemory(r prometheus.Registerer) {
	b := s.budget
	telemetry.Register(r,
		gauge("memory_limit_bytes", "Bytes that can be drawn from the memory budget: 90 % of the memory limit.",
			fixed(int(b.LimitBytes()))),
		gauge("memory_drawn_bytes", "Bytes drawn from the memory budget.", func() float64 { return float64(b.DrawnBytes()) }),
		gauge("memory_drawn_peak_bytes", "Most bytes that were ever drawn from the memory budget.",
			func() float64 { return float64(b.PeakBytes()) }),
		gauge("memory_waiting_uploads", "Uploads that are not read at present, for want of memory.",
			func() float64 { return float64(b.Waiting()) }),
		gauge("memory_admitted_uploads", "Uploads whose metadata was taken.", func() float64 { return float64(b.Admitted()) }),
		counter("memory_squeezes_total", "Times that an upload was asked to move its batches out of memory.",
			func() float64 { return float64(b.Counts().Squeezes) }),
		counter("memory_read_pauses_total", "Reads from clients that waited, as more was drawn than there is.",
			func() float64 { return float64(b.Counts().Pauses) }),
		counter("memory_give_ups_total", "Times that an upload was asked to end, as memory was short and its client slow.",
			func() float64 { return float64(b.Counts().GiveUps) }),
	)
	for limit, of := range map[string]func(memory.Counts) int64{
		"uploads":         func(c memory.Counts) int64 { return c.RefusedUploads },
		"service_uploads": func(c memory.Counts) int64 { return c.RefusedCallerUploads },
		"memory":          func(c memory.Counts) int64 { return c.RefusedBytes },
		"service_memory":  func(c memory.Counts) int64 { return c.RefusedCallerBytes },
		"tenant_uploads":  func(c memory.Counts) int64 { return c.RefusedGroupUploads },
		"tenant_memory":   func(c memory.Counts) int64 { return c.RefusedGroupBytes },
	} {
		refused := counter("memory_refusals_total", "Uploads that were refused, by the limit that had no room.",
			func() float64 { return float64(of(b.Counts())) })
		refused.Labels = prometheus.Labels{"limit": limit}
		telemetry.Register(r, refused)
	}
	var limitBytes int
	used := func() float64 { return 0 }
	if s.spool != nil {
		limitBytes = int(s.config.Limits.SpoolBytes)
		used = func() float64 { return float64(s.spool.UsedBytes()) }
	}
	telemetry.Register(r,
		gauge("spool_used_bytes", "Bytes of batches that are in the spool.", used),
		gauge("spool_limit_bytes", "Most bytes of batches in the spool; 0: there is none.", fixed(limitBytes)),
	)
}

func observeAccess(r prometheus.Registerer, c *access.Counts) {
	for outcome, of := range map[string]*atomic.Int64{
		"accepted": &c.Accepted, "absent": &c.Absent, "unknown": &c.Unknown, "expired": &c.Expired, "denied": &c.Denied,
	} {
		asked := counter("authentications_total",
			"Streams by what their credential was: accepted, absent, unknown, expired, or denied an upload or a service.",
			func() float64 { return float64(of.Load()) })
		asked.Labels = prometheus.Labels{"outcome": outcome}
		telemetry.Register(r, asked)
	}
}

func (s *service) observeCompressors(r prometheus.Registerer) {
	pool := s.compressors
	telemetry.Register(r,
		gauge("compressors", "Compressors, and so chunks that can be compressed at the same time.",
			fixed(pool.State().Compressors)),
		gauge("compressors_in_use", "Compressors that compress.", func() float64 { return float64(pool.State().InUse) }),
		gauge("compressors_waiting_uploads", "Uploads that wait for a compressor.",
			func() float64 { return float64(pool.State().Waiting) }),
		counter("compressor_waits_total", "Times that an upload had to wait for a compressor.",
			func() float64 { return float64(pool.State().Waits) }),
		counter("compressor_wait_seconds_total", "Time that uploads have waited for a compressor, all in all.",
			func() float64 { return pool.State().Waited.Seconds() }),
	)
}

func observeIntake(r prometheus.Registerer, client *intake.Client) {
	telemetry.Register(r,
		gauge("intake_connections_open", "Open connections to the intake.",
			func() float64 { return float64(client.State().Connections) }),
		gauge("intake_connections_limit", "Most open connections to the intake.", fixed(client.State().MaxConnections)),
		gauge("intake_posting_batches", "Batches that are being posted.",
			func() float64 { return float64(client.State().Posting) }),
		gauge("intake_waiting_batches", "Batches that wait for their turn at a connection.",
			func() float64 { return float64(client.State().Waiting) }),
	)
	for _, health := range []intake.Health{intake.Up, intake.Throttled, intake.Down, intake.Probing} {
		state := gauge("intake_state", "What the intake is taken for: 1 at that state, 0 at the others.",
			flag(func() bool { return client.State().Health == health }))
		state.Labels = prometheus.Labels{"state": string(health)}
		telemetry.Register(r, state)
	}
}

func gauge(name, help string, value func() float64) telemetry.Reading {
	return telemetry.Reading{Name: name, Help: help, Value: value}
}

func counter(name, help string, value func() float64) telemetry.Reading {
	return telemetry.Reading{Name: name, Help: help, Counter: true, Value: value}
}

// flag is 1 while on, else 0.
func flag(on func() bool) func() float64 {
	return func() float64 {
		if on() {
			return 1
		}
		return 0
	}
}

func streamsIn(r *room) func() float64 {
	return func() float64 {
		streams, _ := r.state()
		return float64(streams)
	}
}

func fixed(n int) func() float64 { return func() float64 { return float64(n) } }
