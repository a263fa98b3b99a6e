package admin

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/text"
)

// How many of each the recorder keeps.
const (
	finishedKept  = 100
	failuresKept  = 20
	samplesKept   = 300
	latenciesKept = 256
)

// smallBytes is the size of a batch that every intake should accept. One that finds it too
// large refuses all batches.
const smallBytes = 64 << 10

// maxKeptBytes bounds a text that the recorder keeps.
const maxKeptBytes = 512

// Totals are the server's counts since its start.
type Totals struct {
	// ReceivedBytes are protobuf, AcceptedBytes gzip that the intake has accepted.
	Scopes, ReceivedBytes, JSONBytes, AcceptedBytes int64
}

// Recorder remembers what happened lately: the last streams that ended, the last
// failed attempts, and a sample of each of the last seconds. It is safe for concurrent
// use. Its lock is taken at most once per batch or refused upload.
type Recorder struct {
	mu       sync.Mutex
	finished ring[Finished]
	refused  Refusal
	samples  ring[Sample]
	// sampledAt, sampled, sampledGood and sampledBad are the values at the last sample.
	sampledAt               time.Time
	sampled                 Totals
	sampledGood, sampledBad int64

	counts            map[intake.Class]int64 // attempts
	good, bad         int64                  // attempts
	slowest           time.Duration          // attempt since the last sample
	latencies         ring[time.Duration]
	failures          ring[Failure]
	failing, refusing streak
}

// streak counts consecutive attempts.
type streak struct {
	since time.Time
	count int64
}

// add counts an attempt that began at a time.
func (s *streak) add(began time.Time) {
	if s.count == 0 {
		s.since = began
	}
	s.count++
}

// NewRecorder returns a recorder whose first sample starts now.
func NewRecorder(now time.Time) *Recorder {
	return &Recorder{
		finished:  newRing[Finished](finishedKept),
		samples:   newRing[Sample](samplesKept),
		sampledAt: now,
		counts:    make(map[intake.Class]int64),
		latencies: newRing[time.Duration](latenciesKept),
		failures:  newRing[Failure](failuresKept),
	}
}

// Attempt records an attempt that has just ended.
func (r *Recorder) Attempt(a intake.Attempt) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[a.Class]++
	if a.Class == intake.ClassCancelled { // says nothing about the intake
		return
	}
	if a.HTTPStatus != 0 {
		r.latencies.put(a.Duration)
	}
	r.slowest = max(r.slowest, a.Duration)
	switch a.Class {
	case intake.ClassAccepted:
		r.good++
		r.failing, r.refusing = streak{}, streak{}
		return
	case intake.ClassRefused:
		r.failing = streak{}
		r.refusing.add(now.Add(-a.Duration))
	case intake.ClassTooLarge:
		r.failing = streak{}
		if a.Bytes <= smallBytes { // otherwise only the batch is at fault
			r.refusing.add(now.Add(-a.Duration))
		}
	default:
		r.failing.add(now.Add(-a.Duration))
	}
	r.bad++
	f := Failure{
		At: now, Since: now, Count: 1, Class: a.Class, HTTPStatus: a.HTTPStatus,
		Reason: keep(a.Reason), BatchNum: a.BatchNum, Took: a.Duration,
	}
	last := r.failures.newest()
	if last == nil || last.Class != f.Class || last.HTTPStatus != f.HTTPStatus || last.Reason != f.Reason {
		r.failures.put(f)
		return
	}
	f.Since, f.Count = last.Since, last.Count+1
	*last = f
}

// Finish records a stream that has ended. Long texts are shortened.
func (r *Recorder) Finish(f Finished) {
	f.Label = Shortened(f.Label)
	f.Detail = keep(f.Detail)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished.put(f)
}

// Refuse records that an upload was refused because a limit was reached. ofAll means that
// the limit is not one of a service or tenant. Refused uploads may not be finished ones:
// the server does not know what an upload is that it refuses at its opening.
func (r *Recorder) Refuse(now time.Time, detail string, ofAll bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused.At, r.refused.Detail = now, keep(detail)
	if ofAll {
		r.refused.AllAt = now
	}
}

// Shortened returns the label with long texts shortened.
func Shortened(l Label) Label {
	return Label{
		UploadID: keep(l.UploadID), Service: keep(l.Service), Version: keep(l.Version), Language: keep(l.Language),
		Tenant: keep(l.Tenant),
	}
}

// keep returns a copy of the start of a text.
func keep(s string) string { return strings.Clone(text.ClipTo(s, maxKeptBytes)) }

// Sample records what happened since the last sample. Totals, drawnBytes and uploads
// are the values now.
func (r *Recorder) Sample(now time.Time, totals Totals, drawnBytes int64, uploads int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples.put(Sample{
		Length: now.Sub(r.sampledAt),
		Scopes: totals.Scopes - r.sampled.Scopes, ReceivedBytes: totals.ReceivedBytes - r.sampled.ReceivedBytes,
		JSONBytes: totals.JSONBytes - r.sampled.JSONBytes, AcceptedBytes: totals.AcceptedBytes - r.sampled.AcceptedBytes,
		AcceptedAttempts: r.good - r.sampledGood, FailedAttempts: r.bad - r.sampledBad,
		SlowestAttempt: r.slowest, DrawnBytes: drawnBytes, Uploads: uploads,
	})
	r.sampledAt, r.sampled, r.sampledGood, r.sampledBad, r.slowest = now, totals, r.good, r.bad, 0
}

// Report copies what is recorded into s.
func (r *Recorder) Report(s *Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.History = r.samples.oldestFirst()
	s.Finished = r.finished.oldestFirst()
	slices.Reverse(s.Finished)
	s.Refused = r.refused
	r.reportIntake(&s.Intake)
}

// ReportIntake copies what is recorded of the intake into in.
func (r *Recorder) ReportIntake(in *Intake) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reportIntake(in)
}

func (r *Recorder) reportIntake(in *Intake) {
	in.FailingSince, in.FailedInRow = r.failing.since, r.failing.count
	in.RefusingSince, in.RefusedInRow = r.refusing.since, r.refusing.count
	in.Failures = r.failures.oldestFirst()
	slices.Reverse(in.Failures)
	if took := r.latencies.oldestFirst(); len(took) > 0 {
		slices.Sort(took)
		last := len(took) - 1
		in.Latency = Latency{Median: took[last/2], P90: took[last*9/10], Max: took[last], Count: len(took)}
	}
	for class, count := range r.counts {
		in.Attempts = append(in.Attempts, Outcome{Class: class, Good: class == intake.ClassAccepted, Count: count})
	}
	slices.SortFunc(in.Attempts, func(x, y Outcome) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Class, y.Class))
	})
}

// ring holds the last values put into it.
type ring[T any] struct {
	values []T
	next   int // index to overwrite once the ring is full
}

func newRing[T any](size int) ring[T] { return ring[T]{values: make([]T, 0, size)} }

func (r *ring[T]) put(v T) {
	if len(r.values) < cap(r.values) {
		r.values = append(r.values, v)
		return
	}
	r.values[r.next] = v
	r.next = (r.next + 1) % len(r.values)
}

// newest returns the value put last, or nil if there is none.
func (r *ring[T]) newest() *T {
	if len(r.values) == 0 {
		return nil
	}
	return &r.values[(r.next+len(r.values)-1)%len(r.values)]
}

// oldestFirst returns a copy of the values.
func (r *ring[T]) oldestFirst() []T {
	return append(append(make([]T, 0, len(r.values)), r.values[r.next:]...), r.values[:r.next]...)
}
