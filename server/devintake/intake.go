package devintake

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultMaxBodyBytes = 64 << 20
	defaultMaxRawBytes  = 1 << 30
	defaultBodyTimeout  = time.Minute
	maxEventBytes       = 64 << 10
)

// Options are an intake's settings. The zero value stores in memory, checks
// everything and takes the default limits.
type Options struct {
	// Dir is where batches are stored, as <upload_id>/<batch_num>.json.gz and
	// <batch_num>.event.json; it is made if need be. What it holds already is
	// checked and taken over. One intake at a time may use it. Empty: batches
	// are kept in memory.
	Dir string
	// MaxBodyBytes limits a request's body. Default 64 MiB.
	MaxBodyBytes int64
	// MaxRawBytes limits a batch's envelope after decompression. Default 1 GiB.
	MaxRawBytes int64
	// BodyTimeout is how long a request may take to arrive, behind its headers.
	// Default one minute.
	BodyTimeout time.Duration
	// SkipScopeCheck leaves it at checking that scopes are JSON objects, for
	// load tests; whatever is around them is checked all the same.
	SkipScopeCheck bool
	// OnBatch is called for every accepted batch, repeats included, after it is
	// stored and before it is answered; from several goroutines at once. Nil: no
	// call.
	OnBatch func(Receipt)
	// OnRefusal is called for every refused request, before it is answered;
	// from several goroutines at once. Nil: no call.
	OnRefusal func(Refusal)
}

// Receipt says what one accepted request brought. It is also the body of the
// answer.
type Receipt struct {
	// Path is the path of the request's URL.
	Path string `json:"path"`
	// UploadID is the upload's UUID as the batch spells it.
	UploadID string `json:"upload_id"`
	// RuntimeID is the runtimeId of the event.
	RuntimeID string `json:"runtime_id"`
	// Service, Env, Version and Language are the envelope's. Env is empty where
	// the envelope has none.
	Service  string `json:"service"`
	Env      string `json:"env,omitempty"`
	Version  string `json:"version"`
	Language string `json:"language"`
	// BatchNum counts from 1.
	BatchNum int `json:"batch_num"`
	// Final is set in the batch that calls itself the upload's last.
	Final bool `json:"final"`
	// ScopeCount is the number of root scopes.
	ScopeCount int `json:"scope_count"`
	// RawBytes is the envelope's size as JSON.
	RawBytes int64 `json:"raw_bytes"`
	// CompressedBytes is the envelope's size as gzip.
	CompressedBytes int64 `json:"compressed_bytes"`
	// Repeat is set where the batch was stored before with the same bytes.
	Repeat bool `json:"repeat"`
}

// Intake is an http.Handler that checks and stores batches. It is safe for use
// by several goroutines. It starts none and needs no closing.
type Intake struct {
	opts     Options
	listing  http.Handler
	refusals atomic.Int64

	mu      sync.Mutex
	uploads map[string]*upload // by upload key
	order   []*upload          // by arrival
}

// New returns an intake. It fails on a negative limit, and where Options.Dir
// can't be used or holds a batch that breaks the contract.
func New(opts Options) (*Intake, error) {
	if opts.MaxBodyBytes < 0 {
		return nil, fmt.Errorf("options: MaxBodyBytes is %d, below zero", opts.MaxBodyBytes)
	}
	if opts.MaxRawBytes < 0 {
		return nil, fmt.Errorf("options: MaxRawBytes is %d, below zero", opts.MaxRawBytes)
	}
	if opts.BodyTimeout < 0 {
		return nil, fmt.Errorf("options: BodyTimeout is %v, below zero", opts.BodyTimeout)
	}
	if opts.BodyTimeout == 0 {
		opts.BodyTimeout = defaultBodyTimeout
	}
	if opts.MaxBodyBytes == 0 {
		opts.MaxBodyBytes = defaultMaxBodyBytes
	}
	if opts.MaxRawBytes == 0 {
		opts.MaxRawBytes = defaultMaxRawBytes
	}
	in := &Intake{opts: opts, uploads: make(map[string]*upload)}
	in.listing = in.newListing()
	if opts.Dir != "" {
		if err := in.load(); err != nil {
			return nil, fmt.Errorf("load %s: %w", opts.Dir, err)
		}
	}
	return in, nil
}

// RefusalCount returns the number of requests refused so far.
func (in *Intake) RefusalCount() int {
	return int(in.refusals.Load())
}

// ServeHTTP answers GET and HEAD on /uploads and below with what is stored;
// every other request is taken for a batch.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The server ends the deadline with the request. Where it knows none, as in a
	// test without a connection, there is none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(in.opts.BodyTimeout))
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reads && (r.URL.Path == "/uploads" || strings.HasPrefix(r.URL.Path, "/uploads/")) {
		in.listing.ServeHTTP(w, r)
		return
	}
	receipt, err := in.receive(w, r)
	if err != nil {
		in.refuse(w, r, err)
		return
	}
	if in.opts.OnBatch != nil {
		in.opts.OnBatch(receipt)
	}
	writeJSON(w, http.StatusAccepted, receipt)
}

func (in *Intake) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal := refusalOf(err)
	refusal.Path = r.URL.Path
	in.refusals.Add(1)
	if in.opts.OnRefusal != nil {
		in.opts.OnRefusal(refusal)
	}
	if refusal.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if refusal.Status == http.StatusRequestEntityTooLarge || refusal.Status == http.StatusRequestTimeout {
		w.Header().Set("Connection", "close")
	} else {
		// A client that is still writing would see a reset connection in place
		// of the answer. The limits of the body and of its time bound this.
		_, _ = io.Copy(io.Discard, r.Body)
	}
	writeJSON(w, refusal.Status, refusal)
}

// Refusal says why a request was not accepted. It is also the body of the
// answer.
type Refusal struct {
	// Status is the HTTP status of the answer.
	Status int `json:"status"`
	// Path is the path of the request's URL.
	Path string `json:"path"`
	// Reason names the part, the place in it and the rule that is broken.
	Reason string `json:"reason"`
}

// statusError is a refusal whose status is not left to refusalOf.
type statusError struct {
	status int
	reason string
}

func (e *statusError) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &statusError{status: status, reason: fmt.Sprintf(format, args...)}
}

// storeError is a failure of the intake's own, not of the request.
type storeError struct{ err error }

func (e *storeError) Error() string { return "store: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

func refusalOf(err error) Refusal {
	status := http.StatusBadRequest
	if refusal, ok := errors.AsType[*statusError](err); ok {
		status = refusal.status
	} else if _, ok := errors.AsType[*storeError](err); ok {
		status = http.StatusInternalServerError
	} else if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status = http.StatusRequestEntityTooLarge
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return Refusal{Status: http.StatusRequestTimeout, Reason: "body: it did not arrive in time"}
	}
	return Refusal{Status: status, Reason: err.Error()}
}
