package activity

import (
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/adminpage"
)

// How many of each are remembered.
const (
	finishedKept = 100
	failuresKept = 20
	samplesKept  = 300
)

// Totals are what the server has done since its start.
type Totals struct {
	// Scopes and ReceivedBytes of protobuf were received, JSONBytes made of them,
	// AcceptedBytes of gzip accepted by the intake.
	Scopes, ReceivedBytes, JSONBytes, AcceptedBytes int64
	// RefusedUploads were refused for want of room.
	RefusedUploads int64
}

// Recorder remembers. It is safe for concurrent use, and cheap: what takes its lock
// happens at most once a batch.
type Recorder struct {
	attempts attempts

	mu       sync.Mutex
	finished ring[adminpage.Finished]
	samples  ring[adminpage.Sample]
	last     reading
}

// reading is what had happened when a sample was taken.
type reading struct {
	Totals
	at        time.Time
	good, bad int64
}

// New returns a recorder whose first sample begins at that time.
func New(now time.Time) *Recorder {
	return &Recorder{
		attempts: newAttempts(),
		finished: newRing[adminpage.Finished](finishedKept),
		samples:  newRing[adminpage.Sample](samplesKept),
		last:     reading{at: now},
	}
}

// Finish remembers a stream that has ended. Of its texts only the beginning is kept.
func (r *Recorder) Finish(f adminpage.Finished) {
	f.Label = Shortened(f.Label)
	f.Detail = keep(f.Detail)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished.put(f)
}

// Shortened returns the beginnings of what a label says.
func Shortened(l adminpage.Label) adminpage.Label {
	return adminpage.Label{
		UploadID: keep(l.UploadID), Service: keep(l.Service), Version: keep(l.Version), Language: keep(l.Language),
		Tenant: keep(l.Tenant),
	}
}

// Sample remembers what happened since the last sample; totals, drawnBytes and uploads
// are as of now.
func (r *Recorder) Sample(now time.Time, totals Totals, drawnBytes int64, uploads int) {
	good, bad, slowest := r.attempts.sinceSample()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.last
	r.last = reading{Totals: totals, at: now, good: good, bad: bad}
	r.samples.put(adminpage.Sample{
		Length: now.Sub(before.at),
		Scopes: totals.Scopes - before.Scopes, ReceivedBytes: totals.ReceivedBytes - before.ReceivedBytes,
		JSONBytes: totals.JSONBytes - before.JSONBytes, AcceptedBytes: totals.AcceptedBytes - before.AcceptedBytes,
		RefusedUploads:   totals.RefusedUploads - before.RefusedUploads,
		AcceptedAttempts: good - before.good, FailedAttempts: bad - before.bad,
		SlowestAttempt: slowest, DrawnBytes: drawnBytes, Uploads: uploads,
	})
}

// Report fills in what is remembered. The slices are the snapshot's own.
func (r *Recorder) Report(s *adminpage.Snapshot) {
	r.attempts.report(&s.Intake)
	r.mu.Lock()
	defer r.mu.Unlock()
	s.History = r.samples.oldestFirst()
	s.Finished = r.finished.oldestFirst()
	slices.Reverse(s.Finished)
}
