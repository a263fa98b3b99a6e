package activity

import (
	"slices"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/adminpage"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// How many of each are remembered.
const (
	finishedKept = 100
	failuresKept = 20
	samplesKept  = 300
)

// Recorder remembers. It is safe for concurrent use, and cheap: what takes its lock
// happens at most once a batch.
type Recorder struct {
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
	f.Detail = Clip(f.Detail)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finished.put(f)
}

// Shortened returns the beginnings of what a label says.
func Shortened(l adminpage.Label) adminpage.Label {
	return adminpage.Label{
		UploadID: Clip(l.UploadID), Service: Clip(l.Service), Version: Clip(l.Version), Language: Clip(l.Language),
		Tenant: Clip(l.Tenant),
	}
}

// Sample remembers what happened since the last sample; drawnBytes and uploads are
// as of now.
func (r *Recorder) Sample(now time.Time, c *upload.Counts, drawnBytes int64, uploads int) {
	good, bad, slowest := r.attempts.sinceSample()
	r.mu.Lock()
	defer r.mu.Unlock()
	current := reading{
		at: now, scopes: c.ScopesReceived.Load(), received: c.BytesReceived.Load(),
		made: c.JSONBytes.Load(), accepted: c.GzipAccepted.Load(),
		refused: c.Overloaded.Load(), good: good, bad: bad,
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
