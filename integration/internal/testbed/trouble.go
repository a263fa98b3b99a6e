package testbed

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Trouble is what an intake does instead of accepting a batch.
type Trouble struct {
	Name string // for reports
	// Do makes the trouble. The body was not read; serve accepts the batch.
	Do func(door *Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc)
	// InDoubt means that the server can't know whether the batch was accepted.
	InDoubt bool
	// Silent means that the server notices it only after its timeout.
	Silent bool
	// Splits means that the server splits the batch.
	Splits bool
	// Harmless means that the batch is accepted nevertheless.
	Harmless bool
	// TLS means that the intake must use TLS.
	TLS bool
}

// Answering answers with the status and the current header.
func Answering(name string, status int, header func() http.Header, inDoubt bool) Trouble {
	return Trouble{Name: name, InDoubt: inDoubt, Do: func(_ *Door, w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body)
		if header != nil {
			maps.Copy(w.Header(), header())
		}
		w.WriteHeader(status)
	}}
}

func retryAfter(value func() string) func() http.Header {
	return func() http.Header { return http.Header{"Retry-After": {value()}} }
}

// Troubles returns all troubles.
func Troubles() []Trouble {
	return []Trouble{
		Answering("408", http.StatusRequestTimeout, nil, false),
		Answering("429 seconds", http.StatusTooManyRequests, retryAfter(func() string { return "1" }), false),
		Answering("429 date", http.StatusTooManyRequests, retryAfter(func() string {
			return time.Now().Add(time.Second).UTC().Format(http.TimeFormat)
		}), false),
		Answering("500", http.StatusInternalServerError, nil, true),
		Answering("502", http.StatusBadGateway, nil, true),
		Answering("503", http.StatusServiceUnavailable, nil, false),
		Answering("504", http.StatusGatewayTimeout, nil, true),
		tooLarge(),
		{Name: "refused", Do: refuse},
		{Name: "reset before the body", InDoubt: true, Do: resetAfter(0)},
		{Name: "reset within the body", InDoubt: true, Do: resetAfter(1 << 10)},
		{Name: "reset after the body", InDoubt: true, Do: resetAfter(-1)},
		{Name: "no response", InDoubt: true, Silent: true, Do: neverAnswer},
		{Name: "response lost", InDoubt: true, Do: func(_ *Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			serve(httptest.NewRecorder(), r)
			hijackAndReset(w)
		}},
		{Name: "response late", InDoubt: true, Silent: true, Do: answerTooLate},
		{Name: "slow reader", Harmless: true, Do: func(_ *Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			r.Body = io.NopCloser(slowReader{r.Body})
			serve(w, r)
		}},
		{Name: "slow writer", Harmless: true, Do: writeSlowly},
		{Name: "empty 200", Harmless: true, Do: func(_ *Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			serve(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusOK)
		}},
		{Name: "TLS failure", InDoubt: true, TLS: true, Do: failHandshake},
	}
}

func neverAnswer(_ *Door, _ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func answerTooLate(_ *Door, _ http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	serve(httptest.NewRecorder(), r)
	<-r.Context().Done()
}

func failHandshake(door *Door, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
	door.Slam(1)
	hijackAndReset(w)
}

func tooLarge() Trouble {
	trouble := Answering("413", http.StatusRequestEntityTooLarge, nil, false)
	trouble.Splits = true
	return trouble
}

// refuse resets the connection, and refuses others for a while.
func refuse(door *Door, w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
	door.Shut()
	time.AfterFunc(50*time.Millisecond, func() { _ = door.Open() }) // its port is reserved
	hijackAndReset(w)
}

// resetAfter resets the connection after that many bytes of the body, or all if it is -1.
func resetAfter(bytes int64) func(*Door, http.ResponseWriter, *http.Request, http.HandlerFunc) {
	return func(_ *Door, w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		if bytes < 0 {
			_, _ = io.Copy(io.Discard, r.Body)
		} else {
			_, _ = io.CopyN(io.Discard, r.Body, bytes)
		}
		hijackAndReset(w)
	}
}

func hijackAndReset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2
	}
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	reset(conn)
}

type slowReader struct{ from io.Reader }

// Read reads a few bytes, late.
func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.from.Read(p[:min(len(p), 4<<10)])
}

func writeSlowly(_ *Door, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	answer := httptest.NewRecorder()
	serve(answer, r)
	w.WriteHeader(answer.Code)
	for _, b := range answer.Body.Bytes() {
		_, _ = w.Write([]byte{b})
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Millisecond)
	}
}

// Incident is a trouble that occurs a number of times at a certain batch.
type Incident struct {
	Trouble
	Batch, Times int

	begun bool
}

// Script makes trouble for one upload. It assumes that each batch is the one after those
// accepted.
type Script struct {
	Door *Door

	mu        sync.Mutex
	taken     int
	incidents []Incident
	always    *Trouble
}

// NewAlways returns a script with the same trouble for every batch.
func NewAlways(door *Door, trouble Trouble) *Script {
	return &Script{Door: door, always: &trouble}
}

// NewScript returns a script of those incidents.
func NewScript(door *Door, incidents ...Incident) *Script {
	return &Script{Door: door, incidents: incidents}
}

// Left returns how many incidents are not over.
func (s *Script) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.incidents)
}

// next returns the trouble for the next batch, if there is one, and how many batches were
// accepted before.
func (s *Script) next() (trouble Trouble, ok bool, taken int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.incidents {
		incident := &s.incidents[i]
		if !incident.begun && incident.Batch != s.taken+1 {
			continue
		}
		incident.begun = true
		trouble := incident.Trouble
		if incident.Times--; incident.Times == 0 {
			s.incidents = append(s.incidents[:i:i], s.incidents[i+1:]...)
		}
		return trouble, true, s.taken
	}
	return Trouble{}, false, s.taken
}

// Handle handles a request before serve.
func (s *Script) Handle(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if s.always != nil {
		s.always.Do(s.Door, w, r, serve)
		return
	}
	trouble, ok, taken := s.next()
	take := func(w http.ResponseWriter, r *http.Request) {
		recorder := &statusRecorder{ResponseWriter: w}
		serve(recorder, r)
		if recorder.status/100 == 2 {
			s.mu.Lock()
			s.taken = max(s.taken, taken+1) // there may be two requests with it at once
			s.mu.Unlock()
		}
	}
	if ok {
		trouble.Do(s.Door, w, r, take)
		return
	}
	take(w, r)
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader records the status.
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
