package activity

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/adminpage"
)

// How many of each are remembered.
const (
	finishedKept = 100
	failuresKept = 20
	samplesKept  = 300
)

// Totals count since the start. They only grow.
type Totals struct {
	// Scopes and ReceivedBytes of protobuf were received, JSONBytes made of them,
	// AcceptedBytes of gzip accepted by the intake.
	Scopes, ReceivedBytes, JSONBytes, AcceptedBytes atomic.Int64
	// RefusedUploads were refused for want of room.
	RefusedUploads atomic.Int64
}

// Recorder remembers. It is safe for concurrent use, and cheap: Totals are atomic,
// and what takes a lock happens at most once a batch.
type Recorder struct {
	Totals Totals

	attempts attempts

	mu       sync.Mutex
	finished ring[adminpage.Finished]
	samples  ring[adminpage.Sample]
	last     reading
}

// reading is what the totals were when a sample was taken.
type reading struct {
	at                                        time.Time
	scopes, received, made, accepted, refused int64
	good, bad                                 int64
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

// Sample remembers what happened since the last sample; drawnBytes and uploads are
// as of now.
func (r *Recorder) Sample(now time.Time, drawnBytes int64, uploads int) {
	good, bad, slowest := r.attempts.sinceSample()
	r.mu.Lock()
	defer r.mu.Unlock()
	current := reading{
		at: now, scopes: r.Totals.Scopes.Load(), received: r.Totals.ReceivedBytes.Load(),
		made: r.Totals.JSONBytes.Load(), accepted: r.Totals.AcceptedBytes.Load(),
		refused: r.Totals.RefusedUploads.Load(), good: good, bad: bad,
	}
	before := r.last
	r.last = current
	r.samples.put(adminpage.Sample{
		Length: now.Sub(before.at),
		Scopes: current.scopes - before.scopes, ReceivedBytes: current.received - before.received,
		JSONBytes: current.made - before.made, AcceptedBytes: current.accepted - before.accepted,
		RefusedUploads:   current.refused - before.refused,
		AcceptedAttempts: current.good - before.good, FailedAttempts: current.bad - before.bad,
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
