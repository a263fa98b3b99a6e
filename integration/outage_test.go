package integration_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// The two lines that an outage leaves.
const (
	lineDown = `level=WARN msg="intake down"`
	lineBack = `level=INFO msg="intake up"`
)

// outage is a fault that lasts until over is set.
type outage struct {
	over   atomic.Bool
	answer testbed.Fault
}

func (o *outage) fault(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
	if o.over.Load() {
		accept(w, r)
		return
	}
	o.answer(w, r, post, accept)
}

// TestLogOfAnOutage has an intake fail, in each way, while uploads wait: the log says
// so at once, and when it is over, in one line each, with whose intake it is and
// what it has said. The bed looks for secrets in the log.
func TestLogOfAnOutage(t *testing.T) {
	t.Parallel()
	spared := func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		w.Header().Set("Retry-After", "1")
		echo(http.StatusTooManyRequests, 0)(w, r, post, accept)
	}
	for name, test := range map[string]struct {
		answer testbed.Fault
		tenant string // with an intake of its own
		want   []string
	}{
		"away": {
			answer: testbed.Answer(http.StatusServiceUnavailable, "away\nfor lunch"),
			want:   []string{" failed_attempts=10 http_status=503", ` error="away for lunch"`, " reason=down retry_in="},
		},
		"broken":  {answer: testbed.BreakOff, want: []string{" failed_attempts=10 error=", " reason=down retry_in="}},
		"spared":  {answer: spared, want: []string{" failed_attempts=1 http_status=429", " reason=throttled retry_in=1s unlogged=0"}},
		"tenants": {answer: spared, tenant: "shop", want: []string{" tenant=shop ", " http_status=429"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trouble := &outage{answer: test.answer}
			options := testbed.Options{Fault: trouble.fault}
			own := testbed.StartIntake(t, trouble.fault)
			file := newTenants(t)
			var token string
			if test.tenant != "" {
				token = file.add(t, test.tenant, `intake: {url: "`+own.URL()+`"}`)
				options.Configure = file.configure()
			}
			bed := testbed.New(t, options)
			address := bed.Intake.Address()
			uploading := bed.Client
			if test.tenant != "" {
				address, uploading = own.Address(), as(t, bed, token)
			}
			const uploads = 5
			ended := make(chan error, uploads)
			for range uploads {
				go func() { ended <- once(t, uploading, testbed.NewMetadata()) }()
			}
			bed.Server.AwaitLogged(t, lineDown)
			if n := bed.Server.Logged("upload ended"); n > 0 {
				t.Errorf("%d uploads have ended before, want none", n)
			}
			trouble.over.Store(true)
			for range uploads {
				if err := wait.Receive(t, ended, "an upload"); err != nil {
					t.Error(err)
				}
			}
			bed.Server.AwaitLogged(t, lineBack)
			for _, line := range []string{lineDown, lineBack} {
				if n := bed.Server.Logged(line); n != 1 {
					t.Errorf("%d times %s, want 1", n, line)
				}
				if bed.Server.Logged(line+" intake=http://"+address+" ") != 1 {
					t.Errorf("%s does not tell whose", line)
				}
			}
			for _, want := range append(test.want, " http_status=202 down_for=") {
				if bed.Server.Logged(want) == 0 {
					t.Errorf("no %q", want)
				}
			}
		})
	}
}

// TestLogOfAnAdditionalIntakesOutage has one of two additional intakes be away.
func TestLogOfAnAdditionalIntakesOutage(t *testing.T) {
	t.Parallel()
	trouble := &outage{answer: func(w http.ResponseWriter, _ *http.Request, _ testbed.Post, _ http.HandlerFunc) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "away")
	}}
	well, away := testbed.StartIntake(t, nil), testbed.StartIntake(t, trouble.fault)
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		additional(time.Minute, well.URL(), away.URL())(cfg)
	}})
	bed.Upload(t, testbed.NewMetadata(), testbed.NewSource(1).Functions(3))
	whose := " intake=http://" + away.Address() + " additional=2 failed_attempts="
	bed.Server.AwaitLogged(t, lineDown+whose+"1 http_status=503 error=away reason=throttled")
	trouble.over.Store(true)
	bed.Stop(t) // which waits for it
	if bed.Server.Logged(lineBack+whose) != 1 || bed.Server.Logged(lineDown) != 1 || bed.Server.Logged(lineBack) != 1 {
		t.Error("the log lacks its outage, or has another's")
	}
}
