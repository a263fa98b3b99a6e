package load

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/scopegate/scopegate/server/devintake"
)

// IntakeOptions are the troubles of an intake. The zero value answers at once.
type IntakeOptions struct {
	// Delay is how long the intake waits before it answers.
	Delay time.Duration
	// Outage is how long, from the first POST on, the intake answers 503.
	Outage time.Duration
}

// Intake is the development intake in this process. It does not check scopes, to leave
// the machine to the servers.
type Intake struct {
	URL string // to post batches to

	opts   IntakeOptions
	store  *devintake.Intake
	web    *http.Server
	served chan error
	ending chan struct{}

	mu                sync.Mutex
	firstPost         time.Time
	lastAccepted      time.Time
	connections, peak int
	turnedAway        int
}

// StartIntake starts an intake on a free port. It logs the batches that it refuses. End
// must be called.
func StartIntake(ctx context.Context, opts IntakeOptions, logger *slog.Logger) (*Intake, error) {
	in := &Intake{opts: opts, served: make(chan error, 1), ending: make(chan struct{})}
	store, err := devintake.New(devintake.Options{
		SkipScopeCheck: true,
		OnBatch:        in.accepted,
		OnRefusal: func(r devintake.Refusal) {
			logger.WarnContext(ctx, "the intake refused a batch", "reason", r.Reason)
		},
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	in.store = store
	in.URL = "http://" + listener.Addr().String() + "/symdb/v1/input"
	in.web = &http.Server{
		Handler:           http.HandlerFunc(in.serve),
		ReadHeaderTimeout: time.Minute,
		ConnState:         in.count,
	}
	go func() { in.served <- in.web.Serve(listener) }()
	return in, nil
}

// End stops the intake and aborts requests in flight.
func (in *Intake) End() error {
	close(in.ending)
	err := in.web.Close()
	if served := <-in.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (in *Intake) serve(w http.ResponseWriter, r *http.Request) {
	if in.isOut(time.Now()) {
		// A client that is still writing would see a reset connection.
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	in.store.ServeHTTP(w, r)
}

func (in *Intake) isOut(now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.firstPost.IsZero() {
		in.firstPost = now
	}
	if now.Sub(in.firstPost) >= in.opts.Outage {
		return false
	}
	in.turnedAway++
	return true
}

// accepted is called when a batch is stored, before the answer.
func (in *Intake) accepted(devintake.Receipt) {
	if in.opts.Delay > 0 {
		timer := time.NewTimer(in.opts.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-in.ending:
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lastAccepted = time.Now()
}

func (in *Intake) count(_ net.Conn, state http.ConnState) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch state {
	case http.StateNew:
		in.connections++
		in.peak = max(in.peak, in.connections)
	case http.StateClosed, http.StateHijacked:
		in.connections--
	case http.StateActive, http.StateIdle:
	}
}

// Delivery is what an intake received.
type Delivery struct {
	// WholeCount is how many uploads of the payload are complete, without violations.
	WholeCount int
	// Flaw is what is wrong with the first other upload, or "".
	Flaw         string
	LastAccepted time.Time // when the last batch was accepted
	// PeakConnections is the most connections open at once.
	PeakConnections int
	// TurnedAwayCount is how many POSTs were answered 503.
	TurnedAwayCount int
}

// Warn logs the flaw, and the failures that the clients have seen.
func (d Delivery) Warn(logger *slog.Logger, seen Outcome) {
	if d.Flaw != "" {
		logger.Warn("an upload at the intake is not whole; its client may have repeated it", "flaw", d.Flaw)
	}
	for failure, count := range seen.Failures {
		logger.Warn("uploads failed", "count", count, "status", failure)
	}
}

// Delivered returns what the intake has received so far. jsonBytes is the length of the
// payload's JSON as written by the server under test.
func (in *Intake) Delivered(sent Payload, jsonBytes int64) Delivery {
	in.mu.Lock()
	d := Delivery{LastAccepted: in.lastAccepted, PeakConnections: in.peak, TurnedAwayCount: in.turnedAway}
	in.mu.Unlock()
	for _, upload := range in.store.Uploads() {
		flaw := sent.Flaw(upload, jsonBytes)
		switch {
		case flaw == "":
			d.WholeCount++
		case d.Flaw == "":
			d.Flaw = "upload " + upload.UploadID + ": " + flaw
		}
	}
	return d
}
