package integration_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// echo answers with all that it was sent, but the batch.
func echo(status int, padding int) testbed.Fault {
	return func(w http.ResponseWriter, r *http.Request, _ testbed.Post, _ http.HandlerFunc) {
		r.Body = http.NoBody
		sent, _ := httputil.DumpRequest(r, false)
		w.Header().Set("Location", "/?key="+r.Header.Get("DD-API-KEY"))
		w.WriteHeader(status)
		key := r.Header.Get("DD-API-KEY")
		_, _ = fmt.Fprintf(w, "%s%s %q %s", strings.Repeat("x", padding), key, key, sent)
	}
}

// echoBadly answers with all that it was sent, in what is no answer.
func echoBadly(t *testing.T, format string) string {
	t.Helper()
	return testbed.StartPeer(t, func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = fmt.Fprintf(conn, format, request.Header.Get("DD-API-KEY")+" "+request.Header.Get("Authorization"))
	})
}

// TestSecretsShowNowhere has everything fail that can, with an intake that repeats
// what it was told, and looks for the secrets in all that leaves the server:
// statuses, metrics and, when the bed stops, the log.
func TestSecretsShowNowhere(t *testing.T) {
	t.Parallel()
	const token = "sgt_" + testbed.Canary
	secretURL := func(scheme, address string) string {
		return scheme + "://" + testbed.Canary + ":" + testbed.Canary + "@" + address + "/in?token=" + testbed.Canary
	}
	for name, test := range map[string]struct {
		fault testbed.Fault
		url   string
		want  codes.Code
	}{
		"refused":             {fault: echo(http.StatusForbidden, 0), want: codes.FailedPrecondition},
		"redirected":          {fault: echo(http.StatusFound, 0), want: codes.FailedPrecondition},
		"fails":               {fault: echo(http.StatusInternalServerError, 0), want: codes.Unavailable},
		"cut":                 {fault: echo(http.StatusForbidden, 504), want: codes.FailedPrecondition},
		"cut in quotes":       {fault: echo(http.StatusForbidden, 490), want: codes.FailedPrecondition},
		"too large":           {fault: echo(http.StatusRequestEntityTooLarge, 0), want: codes.FailedPrecondition},
		"breaks off":          {fault: testbed.BreakOff, want: codes.Unavailable},
		"hangs":               {fault: testbed.Hang, want: codes.Unavailable},
		"no HTTP":             {url: secretURL("http", echoBadly(t, "%s\r\n\r\n")), want: codes.Unavailable},
		"no status":           {url: secretURL("http", echoBadly(t, "HTTP/1.1 %s\r\n\r\n")), want: codes.Unavailable},
		"no header":           {url: secretURL("http", echoBadly(t, "HTTP/1.1 200 OK\r\n%s\r\n\r\n")), want: codes.Unavailable},
		"no length":           {url: secretURL("http", echoBadly(t, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n")), want: codes.Unavailable},
		"unreachable":         {url: secretURL("http", testbed.ReserveAddress(t)), want: codes.Unavailable},
		"no TLS":              {url: secretURL("https", echoBadly(t, "%s\r\n\r\n")), want: codes.Unavailable},
		"socket not there":    {url: "unix:///nowhere/" + testbed.Canary[:4] + ":/in?token=" + testbed.Canary, want: codes.Unavailable},
		"host does not exist": {url: secretURL("http", "nowhere.invalid"), want: codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := newTenants(t)
			sum := sha256.Sum256([]byte(token))
			if err := os.WriteFile(filepath.Join(filepath.Dir(file.path), "key"), []byte(testbed.Canary+"-of-tenant"), 0o600); err != nil {
				t.Fatal(err)
			}
			options := testbed.Options{Fault: test.fault, IntakeURL: test.url}
			options.Configure = file.configure(givesUp, func(cfg *server.Config) {
				file.lines = []string{
					"- {name: plain, tokens: [{sha256: " + hex.EncodeToString(sum[:]) + "}]}",
					fmt.Sprintf("- {name: own, certificates: [x], intake: {url: %q, api_key_file: key}}", cfg.Intake.URL),
				}
				file.write(t)
				if name == "hangs" {
					cfg.Intake.PostTimeout = 500 * time.Millisecond
				}
				cfg.AdditionalIntakes.Intakes = []server.AdditionalIntake{
					{URL: cfg.Intake.URL, APIKey: server.NewSecret(testbed.Canary + "-additional")},
				}
				cfg.AdditionalIntakes.DrainTime = time.Millisecond
			})
			bed := testbed.New(t, options)
			err := once(t, as(t, bed, token), testbed.NewMetadata())
			requireNoSecret(t, err, test.want)
			for _, header := range []string{token + "x", "Bearer " + token + "x", "Bearer  " + token, "Basic " +
				base64.StdEncoding.EncodeToString([]byte(testbed.Canary))} {
				ctx := metadata.AppendToOutgoingContext(testbed.Context(t), "authorization", header)
				_, err := testbed.UploadOnce(ctx, bed.Client, testbed.NewMetadata(), testbed.NewSource(80).Functions(1))
				requireNoSecret(t, err, codes.Unauthenticated)
			}
			bed.Stop(t)
			var metrics strings.Builder
			families, err := bed.Server.Metrics.Gather()
			for _, family := range families {
				_, textErr := expfmt.MetricFamilyToText(&metrics, family)
				err = errors.Join(err, textErr)
			}
			if err != nil || !strings.Contains(metrics.String(), "scopegate_") || strings.Contains(metrics.String(), testbed.Canary) {
				t.Errorf("metrics: %v\n%s", err, metrics.String())
			}
		})
	}
}

func requireNoSecret(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%v, want %v", err, want)
	}
	text := fmt.Sprintf("%+v %s", err, prototext.Format(status.Convert(err).Proto()))
	encoded := base64.StdEncoding.EncodeToString([]byte(testbed.Canary))
	for _, secret := range []string{testbed.Canary[:6], encoded[:8], "/in?"} {
		if strings.Contains(text, secret) {
			t.Errorf("the client got %q: %s", secret, text)
		}
	}
}

// TestUnsolicitedAnswerIsNotLogged has an intake send more than was asked for, with a
// secret in it, on a connection that is idle then.
func TestUnsolicitedAnswerIsNotLogged(t *testing.T) {
	t.Parallel()
	more := testbed.StartPeer(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX: "+testbed.Canary+"\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the server has seen it
	})
	p := testbed.StartProcess(t, "http://"+more, "127.0.0.1:0")
	c, err := client.Dial(p.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := testbed.UploadOnce(testbed.Context(t), c, testbed.NewMetadata(), testbed.NewSource(63).Functions(1)); err != nil {
		t.Error(err)
	}
	if err := p.Terminate(); err != nil { // its log is looked at when the test ends
		t.Error(err)
	}
}
