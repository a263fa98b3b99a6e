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

// IntakeOptions say how an intake departs from one that answers at once. The zero
// value is that one.
type IntakeOptions struct {
	// Delay is the time between a batch being there and its answer.
	Delay time.Duration
	// Outage is for how long from the first POST on every POST is answered 503.
	Outage time.Duration
}

// Intake is the development intake in this process. It does not look into scopes,
// so that the machine is left to the servers.
type Intake struct {
	// URL is where batches are posted to.
	URL string

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

// StartIntake starts an intake on a free port. Batches that it refuses are told to
// the logger. It has to be ended.
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

// End stops the intake, breaking off what is in flight.
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

// accepted is called when a batch is stored and before that is answered.
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

// Delivery is what came to an intake.
type Delivery struct {
	// WholeCount is how many uploads of the payload are complete, without a
	// violation and of the payload's length.
	WholeCount int
	// Flaw is what is wrong with the first one that is not, or "".
	Flaw string
	// LastAccepted is when the last batch was accepted.
	LastAccepted time.Time
	// PeakConnections is how many connections to the intake were open at once.
	PeakConnections int
	// TurnedAwayCount is how many POSTs met the outage.
	TurnedAwayCount int
}

// Delivered returns what has come so far; jsonBytes is the length of the payload's
// JSON as the server at work writes it.
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
