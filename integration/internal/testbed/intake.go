package testbed

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/server/devintake"
)

// Intake is a development intake behind a [Fault].
type Intake struct {
	// Store checks and keeps the batches.
	Store *devintake.Intake

	http     *httptest.Server
	fault    Fault
	script   *Script
	stopOnce sync.Once
	mu       sync.Mutex
	posts    []Post
}

// Post is a request that reached the intake, whatever the answer.
type Post struct {
	// Path and Header are the request's.
	Path   string
	Header http.Header
	// Err is why the body could not be read, or is not a batch. If it is nil, the
	// fields below are set.
	Err error
	// UploadID, Service, BatchNum and Final are from the event.
	UploadID string
	Service  string
	BatchNum int
	Final    bool
	// FileSum and EventSum are hashes of the two parts' bodies.
	FileSum, EventSum [sha256.Size]byte
}

// StartIntake starts an intake that stops when the test ends. The fault may be
// nil.
func StartIntake(tb testing.TB, fault Fault) *Intake {
	tb.Helper()
	return StartIntakeOn(tb, Listen(tb, "tcp", "127.0.0.1:0"), fault)
}

// StartIntakeOn is StartIntake on a listener, which it closes.
func StartIntakeOn(tb testing.TB, listener net.Listener, fault Fault) *Intake {
	tb.Helper()
	return startIntake(tb, listener, fault, nil, false)
}

// StartScriptedIntake starts an intake at the script's door.
func StartScriptedIntake(tb testing.TB, script *Script, speaksTLS bool) *Intake {
	tb.Helper()
	return startIntake(tb, script.Door, nil, script, speaksTLS)
}

func startIntake(tb testing.TB, listener net.Listener, fault Fault, script *Script, speaksTLS bool) *Intake {
	tb.Helper()
	store, err := devintake.New(devintake.Options{OnRefusal: func(r devintake.Refusal) {
		tb.Errorf("the intake refused a batch: %d %s", r.Status, r.Reason)
	}})
	if err != nil {
		tb.Fatalf("new intake: %v", err)
	}
	in := &Intake{Store: store, fault: fault, script: script}
	if fault == nil {
		in.fault = func(w http.ResponseWriter, r *http.Request, _ Post, accept http.HandlerFunc) { accept(w, r) }
	}
	in.http = httptest.NewUnstartedServer(http.HandlerFunc(in.front))
	_ = in.http.Listener.Close()
	in.http.Listener = listener
	in.http.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a test breaks off
	if speaksTLS {
		in.http.StartTLS()
	} else {
		in.http.Start()
	}
	tb.Cleanup(in.Stop)
	return in
}

// URL returns the URL to post batches to. It has secrets.
func (in *Intake) URL() string {
	scheme, _, _ := strings.Cut(in.http.URL, ":")
	return scheme + "://" + Canary + ":" + Canary + "@" + in.Address() + "/symdb/v1/input?token=" + Canary
}

// Address returns host and port, or a unix socket's path.
func (in *Intake) Address() string { return in.http.Listener.Addr().String() }

// Posts returns all requests so far, in order of arrival.
func (in *Intake) Posts() []Post {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.posts)
}

// Stop stops the intake, after requests in flight.
func (in *Intake) Stop() { in.stopOnce.Do(in.http.Close) }

func (in *Intake) front(w http.ResponseWriter, r *http.Request) {
	if in.script != nil {
		in.script.Handle(w, r, in.serve)
		return
	}
	in.serve(w, r)
}

func (in *Intake) serve(w http.ResponseWriter, r *http.Request) {
	whole, err := io.ReadAll(r.Body)
	post := Post{Path: r.URL.Path, Header: r.Header.Clone(), Err: err}
	if err == nil {
		post.Err = post.read(whole)
	}
	in.mu.Lock()
	in.posts = append(in.posts, post)
	in.mu.Unlock()
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(whole))
	in.fault(w, r, post, in.Store.ServeHTTP)
}

// read reads the event, the body's second part.
func (p *Post) read(whole []byte) error {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	parts := multipart.NewReader(bytes.NewReader(whole), params["boundary"])
	var bodies [][]byte
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("next part: %w", err)
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return fmt.Errorf("part %s: %w", part.FormName(), err)
		}
		bodies = append(bodies, body)
	}
	if len(bodies) != 2 {
		return fmt.Errorf("%d parts, want 2", len(bodies))
	}
	var event event
	if err := json.Unmarshal(bodies[1], &event); err != nil {
		return fmt.Errorf("event: %w", err)
	}
	p.UploadID, p.Service, p.BatchNum, p.Final = event.UploadID, event.Service, event.BatchNum, event.Final
	p.FileSum, p.EventSum = sha256.Sum256(bodies[0]), sha256.Sum256(bodies[1])
	return nil
}

// RequireNoFinal fails the test if a batch of the upload was final, accepted or not.
func (in *Intake) RequireNoFinal(tb testing.TB, uploadID string) {
	tb.Helper()
	for _, post := range in.Posts() {
		if post.Err == nil && post.UploadID == uploadID && post.Final {
			tb.Errorf("batch %d of upload %s is final, but the upload was aborted", post.BatchNum, uploadID)
		}
	}
}

// TrustIntakes makes the certificate of intakes with TLS the only system root of this
// process. It must be called before any other use of TLS, and works if the system roots
// are files. forget removes the file that it has made.
func TrustIntakes() (forget func(), err error) {
	peer := httptest.NewUnstartedServer(nil)
	peer.Config.ErrorLog = log.New(io.Discard, "", 0)
	peer.StartTLS()
	certificate := peer.Certificate().Raw
	peer.Close()
	dir, err := os.MkdirTemp("", "scopegate-roots-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "root.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	if err := errors.Join(os.WriteFile(path, encoded, 0o600), os.Setenv("SSL_CERT_FILE", path)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return func() { _ = os.RemoveAll(dir) }, nil
}
