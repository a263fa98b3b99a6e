package integration_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// upload uploads three scopes and returns how that ended.
func upload(t *testing.T, bed *testbed.Bed) (*symdbv1.UploadScopesResponse, error) {
	t.Helper()
	return testbed.Upload(testbed.Context(t), bed.Client, testbed.NewMetadata(), testbed.NewSource(40).Functions(3))
}

// uploadOnce is upload in one stream, which is not gone on with.
func uploadOnce(t *testing.T, bed *testbed.Bed) (*symdbv1.UploadScopesResponse, error) {
	t.Helper()
	return testbed.UploadOnce(testbed.Context(t), bed.Client, testbed.NewMetadata(), testbed.NewSource(40).Functions(3))
}

// givesUp has the server soon give back what the intake does not take.
func givesUp(cfg *server.Config) {
	cfg.FlushThresholdBytes = 0
	cfg.Intake.BatchDeadline = time.Second
}

// TestIntakeRefuses has the intake give answers that the same bytes would bring
// again: the batch is sent once.
func TestIntakeRefuses(t *testing.T) {
	t.Parallel()
	for _, status := range []int{
		http.StatusMultipleChoices, http.StatusNotModified, http.StatusBadRequest, http.StatusUnauthorized,
		http.StatusForbidden, http.StatusNotFound, http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, 599,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{
				Fault:     testbed.OnBatch(2, testbed.Answer(status, unclean)),
				Configure: threshold(0),
			})
			_, err := upload(t, bed)
			bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", int32(status), 2)
			requireLogged(t, bed, status, err)
			if errors.Is(err, client.ErrUpload) {
				t.Errorf("%v wraps client.ErrUpload, though it comes back each time", err)
			}
			bed.Stop(t)
			posts := bed.Intake.Posts()
			if len(posts) != 2 || posts[1].Final {
				t.Errorf("%d requests, want 2, none of them final", len(posts))
			}
		})
	}
}

// TestIntakeIsUnavailable has the intake give answers that may be others later:
// the same bytes are sent again until the batch's deadline, and then the client
// is told how far its upload came, unless a gateway's answer leaves that open.
func TestIntakeIsUnavailable(t *testing.T) {
	t.Parallel()
	for status, inDoubt := range map[int]bool{
		http.StatusRequestTimeout: false, http.StatusTooManyRequests: false, http.StatusServiceUnavailable: false,
		http.StatusInternalServerError: true, http.StatusBadGateway: true, http.StatusGatewayTimeout: true,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{
				Fault: testbed.OnBatch(2, testbed.Answer(status, unclean)), Configure: givesUp,
			})
			_, err := uploadOnce(t, bed)
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNAVAILABLE", int32(status), 2)
			requireLogged(t, bed, status, err)
			switch progress := testbed.Progress(err); {
			case inDoubt && progress != nil:
				t.Errorf("progress is %v though the intake may have the batch", progress)
			case !inDoubt && (progress.GetAcceptedScopeCount() != 1 || progress.GetNextBatchNum() != 2):
				t.Errorf("progress is %v, want 1 scope and batch 2 next", progress)
			}
			bed.Stop(t)
			posts := bed.Intake.Posts()
			for _, post := range posts[1:] {
				if post.Final || post.FileSum != posts[1].FileSum || post.EventSum != posts[1].EventSum {
					t.Errorf("batch %d was sent again with other bytes", post.BatchNum)
				}
			}
		})
	}
}

// TestIntakeTakesNoScopeThisLarge has the intake find too large what can't be
// split.
func TestIntakeTakesNoScopeThisLarge(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{
		Fault: testbed.Answer(http.StatusRequestEntityTooLarge, unclean), Configure: threshold(0),
	})
	_, err := upload(t, bed)
	requireLogged(t, bed, http.StatusRequestEntityTooLarge, err)
	st := bed.RequireStatus(t, err, codes.FailedPrecondition, "SCOPE_UNSPLITTABLE")
	if name := testbed.NewSource(40).Function().GetName(); !strings.Contains(st.Message(), name) {
		t.Errorf("message %q does not name %s", st.Message(), name)
	}
}

// TestUnsplittableScopeIsNamed has the intake accept batches of several scopes, and parts of
// a scope, before it finds one too large that can't be split: the status names that one.
func TestUnsplittableScopeIsNamed(t *testing.T) {
	t.Parallel()
	for name, thresholdBytes := range map[string]int{"in later batches": 48 << 10, "in one batch": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{
				Fault:     newPicky(t, 64<<10, 0, testbed.NewMetadata().GetService()).Fault,
				Configure: threshold(thresholdBytes),
			})
			source := testbed.NewSource(40)
			divided := source.Package(0)
			divided.Scopes = []*symdbv1.Scope{source.Noise(48 << 10), source.Noise(48 << 10)}
			scopes := []*symdbv1.Scope{
				source.Noise(32 << 10), source.Noise(32 << 10), source.Noise(32 << 10), divided,
				source.Noise(32 << 10), source.Noise(96 << 10), source.Noise(32 << 10),
			}
			_, err := testbed.UploadOnce(testbed.Context(t), bed.Client, testbed.NewMetadata(), scopes)
			st := bed.RequireStatus(t, err, codes.FailedPrecondition, "SCOPE_UNSPLITTABLE")
			if !strings.HasPrefix(st.Message(), "scope[5]: ") {
				t.Errorf("message %q does not name the scope", st.Message())
			}
			failure, ok := errors.AsType[*client.Error](err)
			if !ok || len(failure.FieldViolations()) != 1 || failure.FieldViolations()[0].GetField() != "scope[5]" {
				t.Errorf("%v has the violations %v, want scope[5]", err, failure.FieldViolations())
			}
		})
	}
}

const unclean = "not\x1b[31m now\r\n\x00"

// requireLogged fails the test unless what the intake has said, which is unclean, is
// in the log, as a line, and not in what the client is told.
func requireLogged(t *testing.T, bed *testbed.Bed, httpStatus int, err error) {
	t.Helper()
	if told := status.Convert(err).Proto().String(); strings.Contains(told, "[31m") {
		t.Errorf("the client got the intake's answer: %s", told)
	}
	if want := "answered " + strconv.Itoa(httpStatus) + ": not [31m now"; httpStatus != http.StatusNotModified && bed.Server.Logged(want) == 0 {
		t.Errorf("the log has no %q", want)
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
	bed := testbed.New(t, testbed.Options{Fault: testbed.Answer(http.StatusBadRequest, strings.Repeat("größe, ", 100_000))})
	_, err := upload(t, bed)
	failure := bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusBadRequest, 1)
	if failure.GetAnswer() != "" { //nolint:staticcheck // that it is not set is what is tested
		t.Error("the client got the intake's answer")
	}
	if bed.Server.Logged("größe, ") == 0 || bed.Server.Logged(strings.Repeat("größe, ", 100)) > 0 {
		t.Error("the log lacks the start of the answer")
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

// triesOnce has the server give a batch back that the intake lets time out.
func triesOnce(cfg *server.Config) {
	givesUp(cfg)
	cfg.Intake.PostTimeout = 5 * cfg.Intake.BatchDeadline
}

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
			options.Configure = triesOnce
			bed := testbed.New(t, options)
			_, err := uploadOnce(t, bed)
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
	soonCut := func(cfg *server.Config) { cfg.Intake.PostTimeout = 2 * time.Second }
	t.Run("refusing", func(t *testing.T) {
		t.Parallel()
		bed := testbed.New(t, testbed.Options{Fault: stall(http.StatusForbidden), Configure: soonCut})
		_, err := upload(t, bed)
		bed.RequireIntakeFailure(t, err, codes.FailedPrecondition, "INTAKE_REFUSED", http.StatusForbidden, 1)
	})
	t.Run("accepting", func(t *testing.T) {
		t.Parallel()
		bed := testbed.New(t, testbed.Options{Fault: stall(http.StatusOK), Configure: soonCut})
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
			options.Configure = givesUp
			bed := testbed.New(t, options)
			_, err := uploadOnce(t, bed)
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNREACHABLE", 0, 1)
		})
	}
}

func TestIntakeIsNotThere(t *testing.T) {
	t.Parallel()
	for name, intakeURL := range map[string]string{
		"closed port": "http://user:" + testbed.Canary + "@" + testbed.ReserveAddress(t) + "/?key=" + testbed.Canary,
		"no socket":   "unix://" + filepath.Join(t.TempDir(), "socket") + ":/symdb/v1/input",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{IntakeURL: intakeURL, Configure: givesUp})
			_, err := uploadOnce(t, bed)
			bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNREACHABLE", 0, 1)
		})
	}
}

// TestIntakeComesBack has the upload succeed though the intake failed at first.
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
	if _, err := uploadOnce(t, bed); err != nil {
		t.Error(err)
	}
	if count := len(bed.Intake.Posts()); count != 2 {
		t.Errorf("%d requests, want 2", count)
	}
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
