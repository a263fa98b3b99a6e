package server

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/text"
	"github.com/scopegate/scopegate/server/internal/upload"
)

// shownUploads limits the uploads in flight that the page shows.
const shownUploads = 100

// statusPage is the status page and the clock that samples its plots.
type statusPage struct {
	mu     sync.Mutex
	page   *admin.Page   // nil until StatusPage is called
	served bool          // the server's Serve was called
	stop   chan struct{} // nil: the clock is not running
	clock  sync.WaitGroup
	closed bool
}

// Status is the content of the status page, which serves it as JSON at /status.json.
// docs/admin.md describes it.
type Status = admin.Status

// StatusSchema is the SchemaVersion of [Status].
const StatusSchema = admin.StatusSchema

// StatusPage returns a page that shows uploads in flight, uploads that ended lately,
// memory, and the state of the intake. Mount it at its own root, where only operators can
// reach it: it has no access control. StatusPage may be called at any time, and more than
// once. After its first call, a serving server keeps a history of five minutes.
//
// After Shutdown the page shows the last state.
func (s *Server) StatusPage() http.Handler {
	p := &s.page
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.page == nil {
		p.page = admin.NewPage(s.snapshot)
		if p.closed {
			p.page.Close()
		}
		p.start(s.sample)
	}
	return p.page
}

// serve is called when the server starts to serve.
func (p *statusPage) serve(sample func(time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served = true
	p.start(sample)
}

// start calls sample every second until close, if there is a page and the server
// serves. The caller holds mu.
func (p *statusPage) start(sample func(time.Time)) {
	if p.page == nil || !p.served || p.closed || p.stop != nil {
		return
	}
	p.stop = make(chan struct{})
	p.clock.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				sample(now)
			case <-p.stop:
				return
			}
		}
	})
}

// close stops the clock and ends the page's event streams. It must be called once.
func (p *statusPage) close() {
	p.mu.Lock()
	p.closed = true
	if p.page != nil {
		p.page.Close()
	}
	if p.stop != nil {
		close(p.stop)
	}
	p.mu.Unlock()
	p.clock.Wait() // without mu, which StatusPage takes
}

func (s *Server) sample(now time.Time) {
	c := &s.uploads.Counts
	s.activity.Sample(now, admin.Totals{
		Scopes: c.ScopesReceived.Load(), ReceivedBytes: c.ReceivedBytes.Load(), JSONBytes: c.JSONBytes.Load(),
		AcceptedBytes: c.AcceptedGzipBytes.Load(),
	}, s.budget.DrawnBytes(), s.uploads.InFlight())
}

// snapshot returns what the server is doing, for the status page.
func (s *Server) snapshot() admin.Snapshot {
	snapshot := admin.Snapshot{
		Taken:  time.Now(),
		Server: admin.Server{Version: s.version, Started: s.started, Stopping: s.isStopping()},
		Memory: admin.Memory{
			LimitBytes: s.budget.LimitBytes(), DrawnBytes: s.budget.DrawnBytes(), PeakBytes: s.budget.PeakBytes(),
			Waiting: s.budget.Waiting(), Short: s.budget.Squeezing(), Refusing: s.budget.Refusing(),
		},
	}
	snapshot.InvalidTenants, snapshot.InvalidTLS = s.access.Invalid(), s.certificates.invalid()
	if s.spool != nil {
		snapshot.Memory.SpoolBytes, snapshot.Memory.SpoolLimitBytes = s.spool.UsedBytes(), s.config.Limits.SpoolBytes
	}
	if failure := s.uploads.SpoolFailure(); failure != nil {
		snapshot.Memory.SpoolFailedAt, snapshot.Memory.SpoolError = failure.At, failure.Err.Error()
	}
	s.activity.Report(&snapshot)
	s.describeIntake(&snapshot.Intake)
	var notable []upload.Snapshot
	notable, snapshot.UploadCount = s.uploads.Notable(shownUploads)
	for _, u := range notable {
		snapshot.Uploads = append(snapshot.Uploads, shownUpload(u))
	}
	return snapshot
}

func (s *Server) describeIntake(in *admin.Intake) {
	own := s.routes.Own.Client
	state := own.State()
	in.Host, in.State, in.RetryAt = own.Host(), state.Health, state.RetryAt
	in.Posting, in.SilentSince = state.Posting, state.SilentSince
}

// intakeFails reports whether the page shows a problem of the intake.
func (s *Server) intakeFails() bool {
	var in admin.Intake
	s.activity.ReportIntake(&in)
	s.describeIntake(&in)
	return in.Fails(time.Now())
}

func shownUpload(u upload.Snapshot) admin.Upload {
	shown := admin.Upload{
		Label: shownLabel(u), Began: u.Began,
		Scopes: u.Scopes, ReceivedBytes: u.ReceivedBytes, JSONBytes: u.JSONBytes, GzipBytes: u.GzipBytes,
		HeldBytes: u.HeldBytes, BatchNum: u.OpenBatch, AcceptedBatches: u.AcceptedBatches,
	}
	shown.State, shown.Stuck = stateOf(u)
	return shown
}

// stateOf describes what a stream is doing, and reports whether it waits for something
// other than its client.
func stateOf(u upload.Snapshot) (words string, stuck bool) {
	if u.Ending != nil {
		return "ending: " + u.Ending.Error(), true
	}
	on := "forwarding batch " + strconv.Itoa(int(u.PostingBatch))
	if !u.IntakeUp {
		on = "waiting for the intake to accept batch " + strconv.Itoa(int(u.PostingBatch))
	}
	switch u.Phase {
	case upload.WaitingForMemory:
		words, stuck = "waiting for memory", true
	case upload.Encoding:
		words = "encoding"
	case upload.WaitingForTurn, upload.Finishing:
		return on, !u.IntakeUp
	case upload.Receiving:
		words = "receiving"
		if u.Header == nil {
			words = "waiting for the metadata"
		}
	}
	if u.PostingBatch != 0 {
		return words + "; " + on, stuck || !u.IntakeUp
	}
	return words, stuck
}

func shownLabel(u upload.Snapshot) admin.Label {
	label := admin.Label{Tenant: u.Tenant}
	if h := u.Header; h != nil {
		label.UploadID, label.Service = h.UploadID, h.Service
		label.Version, label.Language = text.OrEmpty(h.Version), h.Language
	}
	return admin.Shortened(label)
}
