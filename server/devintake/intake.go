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

// Options are the settings of an intake. The zero value stores in memory, checks everything and
// has the default limits.
type Options struct {
	// Dir is the directory to store batches in, as <upload_id>/<batch_num>.json.gz (.json if it
	// came uncompressed), <batch_num>.event.json and <batch_num>.request.json. It is created if
	// needed. Batches already in it are checked and loaded. Only one intake may use it. If empty,
	// batches are kept in memory.
	Dir string
	// MaxBodyBytes limits a request's body. Default 64 MiB.
	MaxBodyBytes int64
	// MaxRawBytes limits a batch's envelope after decompression. Default 1 GiB.
	MaxRawBytes int64
	// BodyTimeout limits the time in which a request's body arrives. Default one minute.
	BodyTimeout time.Duration
	// Lenient accepts what today's uploaders send, and lists each deviation: see [DeviationKind].
	Lenient bool
	// SkipScopeCheck only checks that scopes are JSON objects, for load tests. All else is
	// checked.
	SkipScopeCheck bool
	// OnBatch is called for every accepted batch, including repeats, after it is stored and
	// before it is answered. It must be safe for concurrent use. It may be nil.
	OnBatch func(Receipt)
	// OnRefusal is called for every refused request, before it is answered. It must be safe
	// for concurrent use. It may be nil.
	OnRefusal func(Refusal)
	// OnSkip is called by New for every invalid batch in Dir, which is then not loaded. The error
	// names the file. If OnSkip is nil, New fails instead.
	OnSkip func(error)
}

// Receipt describes one accepted request. It is also the body of the answer.
type Receipt struct {
	Path      string `json:"path"`      // of the URL
	UploadID  string `json:"upload_id"` // as the batch spells it
	RuntimeID string `json:"runtime_id"`
	Service   string `json:"service"`
	// Env and Version are empty if there is none.
	Env      string `json:"env,omitempty"`
	Version  string `json:"version,omitempty"`
	Language string `json:"language"`
	BatchNum int    `json:"batch_num"` // from 1
	Final    bool   `json:"final"`
	// ScopeCount is the number of root scopes.
	ScopeCount int `json:"scope_count"`
	// RawBytes is the envelope's size as JSON, CompressedBytes as gzip.
	RawBytes        int64 `json:"raw_bytes"`
	CompressedBytes int64 `json:"compressed_bytes"`
	// Repeat is set if the batch was already stored with the same bytes.
	Repeat bool `json:"repeat"`
	// Deviations lists this batch's deviations of kinds that the upload did not have before.
	Deviations []Deviation `json:"deviations,omitempty"`
}

// Intake is an http.Handler that checks and stores batches. It is safe for concurrent use,
// starts no goroutines and needs no closing.
type Intake struct {
	opts     Options
	listing  http.Handler
	refusals atomic.Int64

	mu      sync.Mutex
	uploads map[string]*upload // by upload key
	order   []*upload          // by arrival
}

// New returns an intake. It fails if a limit is negative, or Options.Dir can't be used or has an
// invalid batch that Options.OnSkip does not skip.
func New(opts Options) (*Intake, error) {
	if opts.MaxBodyBytes < 0 {
		return nil, fmt.Errorf("options: MaxBodyBytes is negative: %d", opts.MaxBodyBytes)
	}
	if opts.MaxRawBytes < 0 {
		return nil, fmt.Errorf("options: MaxRawBytes is negative: %d", opts.MaxRawBytes)
	}
	if opts.BodyTimeout < 0 {
		return nil, fmt.Errorf("options: BodyTimeout is negative: %v", opts.BodyTimeout)
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

// RefusalCount returns the number of refused requests.
func (in *Intake) RefusalCount() int {
	return int(in.refusals.Load())
}

// ServeHTTP answers GET and HEAD on /uploads and below from the store. Any other request is a
// batch.
func (in *Intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The deadline ends with the request. Without a connection, as in a test, there is none.
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
		// Otherwise a client that is still writing would see a reset connection instead of the
		// answer. The limits of the body apply.
		_, _ = io.Copy(io.Discard, r.Body)
	}
	writeJSON(w, refusal.Status, refusal)
}

// Refusal says why a request was refused. It is also the body of the answer.
type Refusal struct {
	Status int    `json:"status"` // of the answer
	Path   string `json:"path"`   // of the URL
	// Reason names the part, the place in it and the broken rule.
	Reason string `json:"reason"`
}

// statusError is a refusal with its status.
type statusError struct {
	status int
	reason string
}

func (e *statusError) Error() string { return e.reason }

func refuse(status int, format string, args ...any) error {
	return &statusError{status: status, reason: fmt.Sprintf(format, args...)}
}

// storeError is a failure of the store.
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
		return Refusal{Status: http.StatusRequestTimeout, Reason: "body: did not arrive in time"}
	}
	return Refusal{Status: status, Reason: err.Error()}
}
