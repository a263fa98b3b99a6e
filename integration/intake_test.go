package integration_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// upload uploads three scopes and returns how that ended.
func upload(t *testing.T, bed *testbed.Bed) (*symdbv1.UploadScopesResponse, error) {
	t.Helper()
	return bed.Client.UploadScopes(testbed.Context(t), testbed.NewMetadata(),
		testbed.Sequence(testbed.NewSource(40).Functions(3)))
}

func TestIntakeAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		code   codes.Code
		reason string
	}{
		{http.StatusMultipleChoices, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusNotModified, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusBadRequest, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusUnauthorized, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusForbidden, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusNotFound, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusRequestEntityTooLarge, codes.FailedPrecondition, "INTAKE_REFUSED"},
		{http.StatusRequestTimeout, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusTooManyRequests, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusInternalServerError, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusNotImplemented, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusBadGateway, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusServiceUnavailable, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{http.StatusGatewayTimeout, codes.Unavailable, "INTAKE_UNAVAILABLE"},
		{599, codes.Unavailable, "INTAKE_UNAVAILABLE"},
	} {
		t.Run(http.StatusText(test.status), func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{
				Fault:     testbed.OnBatch(2, testbed.Answer(test.status, "not\x1b[31m now\r\n\x00")),
				Configure: threshold(0),
			})
			_, err := upload(t, bed)
			failure := bed.RequireIntakeFailure(t, err, test.code, test.reason, int32(test.status), 2)
			answer := failure.GetAnswer()
			if strings.ContainsAny(answer, "\x1b\r\n\x00") || test.status != http.StatusNotModified && !strings.Contains(answer, "now") {
				t.Errorf("answer is told as %q", answer)
			}
			if !errors.Is(err, client.ErrUpload) {
				t.Errorf("%v does not wrap client.ErrUpload", err)
			}
			bed.Stop(t)
			posts := bed.Intake.Posts()
			if len(posts) != 2 || posts[1].Final {
				t.Errorf("%d requests, want 2, none of them final", len(posts))
			}
		})
	}
}

func TestIntakeRefusesFinalBatch(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Fault: testbed.Answer(http.StatusForbidden, "")})
	_, err := upload(t, bed)
	bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusForbidden, 1)
}

func TestIntakeAnswersAtLength(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Fault: testbed.Answer(http.StatusBadRequest, strings.Repeat("größe ", 100_000))})
	_, err := upload(t, bed)
	failure := bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusBadRequest, 1)
	if size := len(failure.GetAnswer()); size == 0 || size > 512 {
		t.Errorf("%d bytes of the answer are told, want 1 to 512", size)
	}
}

func TestIntakeAcceptsWithAnyAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]testbed.Fault{
		"without a body": testbed.Answer(http.StatusNoContent, ""),
		"with an error":  testbed.Answer(http.StatusOK, `{"error":"not really"}`),
		"unknown":        testbed.Answer(299, "\xff\xfe"),
		"at length":      testbed.Answer(http.StatusAccepted, strings.Repeat("x", 1<<20)),
		"broken off": func(w http.ResponseWriter, _ *http.Request, _ testbed.Post, _ http.HandlerFunc) {
			w.Header().Set("Content-Length", "100")
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{Fault: fault, Configure: threshold(0)})
			summary, err := upload(t, bed)
			if err != nil || summary.GetBatchCount() != 3 {
				t.Errorf("%v, %v, want 3 batches", summary, err)
			}
		})
	}
}

// TestIntakeRedirects lets the intake send the batch elsewhere, where it, and
// the key in its header, must not arrive.
func TestIntakeRedirects(t *testing.T) {
	t.Parallel()
	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			elsewhere := testbed.StartIntake(t, nil)
			bed := testbed.New(t, testbed.Options{
				Fault: func(w http.ResponseWriter, r *http.Request, _ testbed.Post, _ http.HandlerFunc) {
					http.Redirect(w, r, "http://"+elsewhere.Address()+"/symdb/v1/input", status)
				},
			})
			_, err := upload(t, bed)
			bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", int32(status), 1)
			if len(elsewhere.Posts()) > 0 {
				t.Error("the server followed the redirect")
			}
		})
	}
}

func shortTimeout(cfg *server.Config) { cfg.Intake.PostTimeout = 200 * time.Millisecond }

func TestIntakeHangs(t *testing.T) {
	t.Parallel()
	deaf := testbed.StartPeer(t, func(net.Conn) { <-t.Context().Done() })
	mute := testbed.StartPeer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	slow := testbed.StartPeer(t, func(conn net.Conn) {
		readHeaders(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 202 Acc")
		_, _ = io.Copy(io.Discard, conn)
	})
	for name, options := range map[string]testbed.Options{
		"behind the request":    {Fault: testbed.Hang},
		"without reading":       {IntakeURL: "http://" + deaf},
		"while reading":         {IntakeURL: "http://" + mute},
		"in the answer":         {IntakeURL: "http://" + slow},
		"in the TLS handshake":  {IntakeURL: "https://" + mute},
		"in the second of them": {Fault: testbed.OnBatch(2, testbed.Hang)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options.Configure = func(cfg *server.Config) {
				shortTimeout(cfg)
				cfg.FlushThresholdBytes = 0
			}
			bed := testbed.New(t, options)
			_, err := upload(t, bed)
			batchNum := int32(1)
			if name == "in the second of them" {
				batchNum = 2
			}
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_TIMEOUT", 0, batchNum)
			if !errors.Is(err, client.ErrUpload) {
				t.Errorf("%v does not wrap client.ErrUpload", err)
			}
		})
	}
}

// TestIntakeHangsInTheBody has a status, which is what counts.
func TestIntakeHangsInTheBody(t *testing.T) {
	t.Parallel()
	stall := func(status int) testbed.Fault {
		return func(w http.ResponseWriter, r *http.Request, _ testbed.Post, _ http.HandlerFunc) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "beginning")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}
	t.Run("refusing", func(t *testing.T) {
		t.Parallel()
		bed := testbed.New(t, testbed.Options{Fault: stall(http.StatusForbidden), Configure: shortTimeout})
		_, err := upload(t, bed)
		bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusForbidden, 1)
	})
	t.Run("accepting", func(t *testing.T) {
		t.Parallel()
		bed := testbed.New(t, testbed.Options{Fault: stall(http.StatusOK), Configure: shortTimeout})
		if _, err := upload(t, bed); err != nil {
			t.Error(err)
		}
	})
}

// readHeaders reads a request up to its body. An answer that came before it
// would be taken for noise on an idle connection.
func readHeaders(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		if line, err := reader.ReadString('\n'); err != nil || line == "\r\n" {
			return
		}
	}
}

func TestIntakeBreaksOff(t *testing.T) {
	t.Parallel()
	peer := func(handle func(net.Conn)) testbed.Options {
		return testbed.Options{IntakeURL: "http://" + testbed.StartPeer(t, handle)}
	}
	for name, options := range map[string]testbed.Options{
		"at once":             peer(func(net.Conn) {}),
		"behind the headers":  peer(readHeaders),
		"behind the request":  {Fault: testbed.BreakOff},
		"within the status":   peer(func(conn net.Conn) { readHeaders(conn); _, _ = io.WriteString(conn, "HTTP/1.1 2") }),
		"within the headers":  peer(func(conn net.Conn) { readHeaders(conn); _, _ = io.WriteString(conn, "HTTP/1.1 202 OK\r\nX: y") }),
		"no HTTP":             peer(func(conn net.Conn) { readHeaders(conn); _, _ = io.WriteString(conn, "220 smtp ready\r\n\r\n") }),
		"plain HTTP, not TLS": {IntakeURL: "https://" + testbed.StartIntake(t, nil).Address()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, options)
			_, err := upload(t, bed)
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNREACHABLE", 0, 1)
		})
	}
}

func TestIntakeIsNotThere(t *testing.T) {
	t.Parallel()
	for name, intakeURL := range map[string]string{
		"closed port": "http://user:" + testbed.Canary + "@" + testbed.ClosedAddress(t) + "/?key=" + testbed.Canary,
		"no socket":   "unix://" + filepath.Join(t.TempDir(), testbed.Canary) + ":/symdb/v1/input",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{IntakeURL: intakeURL})
			_, err := upload(t, bed)
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNREACHABLE", 0, 1)
		})
	}
}

// TestIntakeComesBack has the same server succeed after a failure.
func TestIntakeComesBack(t *testing.T) {
	t.Parallel()
	first := make(chan struct{}, 1)
	first <- struct{}{}
	bed := testbed.New(t, testbed.Options{
		Fault: func(w http.ResponseWriter, r *http.Request, _ testbed.Post, accept http.HandlerFunc) {
			select {
			case <-first:
				w.WriteHeader(http.StatusServiceUnavailable)
			default:
				accept(w, r)
			}
		},
	})
	_, err := upload(t, bed)
	bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNAVAILABLE", http.StatusServiceUnavailable, 1)
	requireServing(t, bed)
}

// TestIdleClientLearns has a client that sends nothing more learn of the failure
// of what it has sent.
func TestIdleClientLearns(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{
		Fault: testbed.Answer(http.StatusForbidden, ""), Configure: threshold(0),
	})
	stream, err := bed.Service.UploadScopes(testbed.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(testbed.MetadataRequest(testbed.NewMetadata())); err != nil {
		t.Fatal(err)
	}
	for _, scope := range testbed.NewSource(41).Functions(2) { // the second sends the first on its way
		if err := stream.Send(testbed.ScopeRequest(scope)); err != nil {
			t.Fatal(err)
		}
	}
	// The client neither sends nor ends its stream.
	err = stream.RecvMsg(&symdbv1.UploadScopesResponse{})
	bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusForbidden, 1)
}
