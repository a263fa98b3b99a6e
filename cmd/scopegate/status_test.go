package main

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// The status of a server with an unreachable intake shows the upload that waits for it, and
// recent failures. It is also available at a socket. The server is healthy.
func TestStatusOfTrouble(t *testing.T) {
	t.Parallel()
	socket := "unix://" + socketPath(t)
	s, address, admin := startServe(t, variables(map[string]string{"SCOPEGATE_ADMIN_LISTEN": socket}),
		"--intake-url", "http://127.0.0.1:1/", "--shutdown-grace", "59s")
	if admin != socket {
		t.Fatalf("got the admin port %s, want %s", admin, socket)
	}
	giveUp := holdUpload(t, address)
	defer giveUp()
	status := func() server.Status {
		got := execute(t, "", "status", "--admin", socket, "--json")
		var status server.Status
		if err := json.Unmarshal([]byte(got.stdout), &status); err != nil || got.code != exitOK {
			t.Fatalf("got %+v, %v, want the status", got, err)
		}
		return status
	}
	failed := execute(t, line, "upload", "--server", address, "--service", "sh\x1bop", "--language", "ruby", "--timeout", "1s", "-")
	if failed.code != exitDelivery {
		t.Fatalf("got %+v, want code %d", failed, exitDelivery)
	}
	wait.Until(t, "an upload in flight, and failures", status, func(s server.Status) bool {
		return s.UploadCount == 1 && len(s.Intake.Failures) > 0 && len(s.Finished) > 0
	})
	got := execute(t, "", "status", "--admin", socket)
	for _, want := range []string{
		"SERVICE ", "LAST FAILURES\n", "  intake: unreachable: dial tcp 127.0.0.1:1: ", "  upload of sh?op: ",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("got no %q, want it in\n%s%s", want, got.stdout, got.stderr)
		}
	}
	if got := execute(t, "", "health", "--admin", socket); got.code != exitOK {
		t.Errorf("health: got %+v, want code %d", got, exitOK)
	}
	s.cancel()
	wait.Until(t, "a server that is stopping", status, func(s server.Status) bool { return s.Server.Stopping })
	for _, args := range [][]string{{"--admin", socket}, {"--server", address}} {
		got := execute(t, "", slices.Concat([]string{"health"}, args)...)
		if got.code != exitFailure || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 {
			t.Errorf("health %q of a server that is stopping: got %+v, want code %d and one line", args, got, exitFailure)
		}
	}
}

// Other hosts get health, but no status unless the server permits it.
func TestStatusForOthers(t *testing.T) {
	t.Parallel()
	own := ownAddress(t)
	for open, want := range map[string]int{"": exitFailure, "true": exitOK} {
		getenv := variables(map[string]string{
			"SCOPEGATE_ADMIN_LISTEN": net.JoinHostPort(own, "0"), "SCOPEGATE_ADMIN_OPEN": open,
		})
		_, _, admin := startServe(t, getenv, "--intake-url", "http://127.0.0.1:1/")
		waitForReadyz(t, admin, http.StatusOK)
		got := execute(t, "", "status", "--admin", admin)
		if got.code != want || want != exitOK && !strings.Contains(got.stderr, "start the server with --admin-open") {
			t.Errorf("open %q: got %+v, want code %d, and advice if it is refused", open, got, want)
		}
		if got := execute(t, "", "health", "--admin", admin); got.code != exitOK {
			t.Errorf("health: got %+v, want code %d", got, exitOK)
		}
	}
}

func TestHealthOverTLS(t *testing.T) {
	t.Parallel()
	s := newSecured(t)
	for name, test := range map[string]struct {
		flags [][]string
		code  int
		text  string
	}{
		"certificate":    {[][]string{s.ca, s.cert, s.key}, exitOK, ""},
		"no certificate": {[][]string{s.ca}, exitFailure, "--cert and --key"},
		"no authority":   {[][]string{{"--tls"}}, exitFailure, "from an untrusted authority: set --ca to the authority's file"},
		"plaintext":      {nil, exitFailure, "if it speaks TLS, set --tls or --ca"},
		"another name":   {[][]string{s.ca, s.cert, s.key, {"--server-name", "other.example"}}, exitFailure, "check --server and --server-name"},
		"no key":         {[][]string{s.ca, s.cert}, exitUsage, "--cert and --key must be used together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := slices.Concat([]string{"health", "--server", s.address, "--timeout", "60s"}, slices.Concat(test.flags...))
			wait.Until(t, "the answer", func() result { return execute(t, "", args...) }, func(got result) bool {
				return got.code == test.code && strings.Contains(got.stderr, test.text)
			})
		})
	}
}
