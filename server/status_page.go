package server

import (
	"cmp"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/server/internal/activity"
	"github.com/scopegate/scopegate/server/internal/adminpage"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// shownUploads bounds how many uploads in flight are shown.
const shownUploads = 100

// statusPage is the page of a server, and the clock behind its plots.
type statusPage struct {
	mu     sync.Mutex
	page   *adminpage.Page // nil: nobody has asked for it
	served bool            // the server's Serve was called
	stop   chan struct{}   // nil: the clock does not go
	clock  sync.WaitGroup
	closed bool
}

// StatusPage returns a page that shows what the server is doing: the uploads in
// flight and those that have ended lately, memory, and how the intake does. It is
// to be mounted at a root of its own, where only operators get to: it asks nobody
// who they are. It can be called again, and before, during and after Serve. While
// the server serves and there is a page, a history of five minutes is kept.
//
// The page shows the last state after Shutdown, which ends what is live.
func (s *Server) StatusPage() http.Handler {
	p := &s.page
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.page == nil {
		p.page = adminpage.New(s.snapshot)
		if p.closed {
			p.page.Close()
		}
		p.start(s.sample)
	}
	return p.page
}

// serve tells that the server serves.
func (p *statusPage) serve(sample func(time.Time)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served = true
	p.start(sample)
}

// start has sample called every second, until close, once there is a page and the
// server serves. It must be called with mu held.
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

// close ends the clock and what the page has under way.
func (p *statusPage) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	if p.page != nil {
		p.page.Close()
	}
	if p.stop != nil {
		close(p.stop)
	}
	p.clock.Wait()
}

func (s *Server) sample(now time.Time) {
	s.service.activity.Sample(now, s.service.budget.DrawnBytes(), s.service.uploads.count())
}

// snapshot returns what the server is doing now.
func (s *Server) snapshot() adminpage.Snapshot {
	svc := s.service
	now := time.Now()
	snapshot := adminpage.Snapshot{
		Taken:  now,
		Server: adminpage.Server{Version: s.version, Started: s.started, Stopping: s.isStopping()},
		Memory: adminpage.Memory{
			LimitBytes: svc.budget.LimitBytes(), DrawnBytes: svc.budget.DrawnBytes(), PeakBytes: svc.budget.PeakBytes(),
			Waiting: svc.budget.Waiting(), Short: svc.budget.Squeezing(), Refusing: svc.budget.Refusing(),
		},
	}
	if svc.spool != nil {
		snapshot.Memory.SpoolBytes, snapshot.Memory.SpoolLimitBytes = svc.spool.UsedBytes(), svc.config.Limits.SpoolBytes
	}
	svc.activity.Report(&snapshot)
	own := svc.routes.Own.Client
	state := own.State()
	snapshot.Intake.Host, snapshot.Intake.RetryAt, snapshot.Intake.Posting = own.Host(), state.RetryAt, state.Posting
	switch state.Health {
	case intake.Throttled:
		snapshot.Intake.State = adminpage.IntakeSpared
	case intake.Down, intake.Probing:
		snapshot.Intake.State = adminpage.IntakeProbed
	case intake.Up:
		snapshot.Intake.State = adminpage.IntakeOpen
	}
	open := svc.uploads.list()
	snapshot.UploadCount = len(open)
	for _, u := range mostNotable(open, shownUploads) {
		snapshot.Uploads = append(snapshot.Uploads, u.snapshot())
	}
	return snapshot
}

// snapshot returns how far the upload has come.
func (u *upload) snapshot() adminpage.Upload {
	p := &u.standing
	state, stuck := p.state(u.grant.Up()) // first: what it tells of has been counted
	shown := adminpage.Upload{
		State: state, Stuck: stuck,
		Label: activity.Shortened(labelOf(p.header.Load(), u.grant)), Began: u.stream.pace.began,
		Scopes: u.stream.scopes.Load(), ReceivedBytes: p.receivedBytes.Load(),
		JSONBytes: p.jsonBytes.Load(), GzipBytes: p.gzipBytes.Load(), HeldBytes: u.account.HeldBytes(),
		BatchNum: p.open.Load(), AcceptedBatches: p.accepted.Load(),
	}
	if reason := u.reason.Load(); reason != nil {
		shown.State, shown.Stuck = "ending: "+(*reason).Error(), true
	}
	return shown
}

// mostNotable returns those that are shown, the oldest first: where there are too
// many, the oldest and those that hold most, half and half.
func mostNotable(open []*upload, most int) []*upload {
	oldest := func(x, y *upload) int { return x.stream.pace.began.Compare(y.stream.pace.began) }
	slices.SortFunc(open, oldest)
	if len(open) <= most {
		return open
	}
	shown, rest := open[:most-most/2], open[most-most/2:]
	holds := make(map[*upload]int64, len(rest)) // it changes while they are sorted
	for _, u := range rest {
		holds[u] = u.account.HeldBytes()
	}
	slices.SortStableFunc(rest, func(x, y *upload) int { return cmp.Compare(holds[y], holds[x]) })
	shown = slices.Concat(shown, rest[:most/2])
	slices.SortFunc(shown, oldest)
	return shown
}

// recordEnd remembers what became of a stream, and what its client was told.
func (u *upload) recordEnd(code codes.Code, why reason, err error) {
	d := u.delivery
	ended := adminpage.Finished{
		Label: labelOf(u.header, u.grant), Ended: time.Now(), Took: time.Since(u.stream.pace.began),
		Code: code.String(), Good: code == codes.OK,
		Scopes: u.stream.scopes.Load(), AcceptedScopes: d.acceptedScopes,
		JSONBytes: d.rawBytes, GzipBytes: d.compressed, Batches: max(0, d.nextNum-d.options.firstBatchNum),
	}
	if err != nil {
		ended.Reason, ended.Detail = string(why), err.Error()
	}
	if why == reasonOverloaded {
		u.service.activity.Totals.RefusedUploads.Add(1)
	}
	u.service.activity.Finish(ended)
}
