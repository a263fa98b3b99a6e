package intake_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// piped has the client's connections lead to handle, without a network, so that a
// test's own clock (testing/synctest) runs. What it returns is done when all of them
// have ended.
func piped(client *intake.Client, handle func(net.Conn)) *sync.WaitGroup {
	var handling sync.WaitGroup
	intake.DialWith(func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		handling.Go(func() {
			defer there.Close()
			handle(there)
		})
		return here, nil
	})(client)
	return &handling
}

// says reads a request and answers it with the texts, one second apart, and then
// keeps the connection open until the client closes it.
func says(texts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		request(conn)
		for i, text := range texts {
			if i > 0 {
				<-time.After(time.Second)
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// endlessly reads a request and answers it with head, and then with text for ever,
// pause by pause.
func endlessly(pause time.Duration, head, text string) func(net.Conn) {
	return func(conn net.Conn) {
		request(conn)
		_, err := io.WriteString(conn, head)
		for err == nil {
			_, err = io.WriteString(conn, text)
			<-time.After(pause)
		}
	}
}

// TestAnswersEnd has an intake answer in ways that have no end, or that are none:
// each attempt ends by its timeout, and each connection with its attempt.
func TestAnswersEnd(t *testing.T) {
	t.Parallel()
	const timeout = 5 * time.Second
	for name, test := range map[string]struct {
		answer func(net.Conn)
		class  intake.Class
		status int
		most   time.Duration
	}{
		"101":                       {says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), intake.ClassRefused, 101, 0},
		"101 without an upgrade":    {says("HTTP/1.1 101 Go\r\n\r\n"), intake.ClassRefused, 101, 0},
		"101 that talks":            {endlessly(time.Millisecond, "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", strings.Repeat("x", 1<<10)), intake.ClassRefused, 101, 0},
		"1xx without end":           {endlessly(0, "", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 20)), intake.ClassBroken, 0, 0},
		"1xx, one a second":         {endlessly(time.Second, "", "HTTP/1.1 100 Continue\r\n\r\n"), intake.ClassTimeout, 0, timeout},
		"1xx, then the answer":      {says("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), intake.ClassRefused, 403, time.Second},
		"a status below 100":        {says("HTTP/1.1 000 Zero\r\nContent-Length: 0\r\n\r\n"), intake.ClassBroken, 0, 0},
		"a status of six hundred":   {says("HTTP/1.1 999 Much\r\nContent-Length: 0\r\n\r\n"), intake.ClassRefused, 999, 0},
		"headers without end":       {endlessly(0, "HTTP/1.1 200 OK\r\n", "X-Filler: "+strings.Repeat("x", 1<<10)+"\r\n"), intake.ClassBroken, 0, 0},
		"a header without end":      {endlessly(0, "HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1<<10)), intake.ClassBroken, 0, 0},
		"headers that trickle":      {endlessly(time.Second, "HTTP/1.1 200 OK\r\nX: ", "x"), intake.ClassTimeout, 0, timeout},
		"a status that trickles":    {endlessly(time.Second, "", "H"), intake.ClassTimeout, 0, timeout},
		"a body that trickles":      {endlessly(time.Second, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "x"), intake.ClassAccepted, 200, drainTime},
		"a refusal that trickles":   {endlessly(time.Second, "HTTP/1.1 403 No\r\nContent-Length: 1000\r\n\r\n", "x"), intake.ClassRefused, 403, drainTime},
		"a body without end":        {endlessly(0, "HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 1<<10)), intake.ClassAccepted, 200, 0},
		"HTTP/1.0, left open":       {says("HTTP/1.0 200 OK\r\n\r\n"), intake.ClassAccepted, 200, drainTime},
		"chunks without end":        {endlessly(0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\nx\r\n", 200)), intake.ClassAccepted, 200, 0},
		"a chunk line without end":  {endlessly(0, "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n", strings.Repeat("1;", 200)), intake.ClassRefused, 400, 0},
		"trailers without end":      {endlessly(0, "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", strings.Repeat("X: y\r\n", 200)), intake.ClassRefused, 400, 0},
		"trailers that trickle":     {endlessly(time.Second, "HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", "y"), intake.ClassRefused, 400, drainTime},
		"nothing":                   {says(), intake.ClassTimeout, 0, timeout},
		"an answer before reading":  {before("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), intake.ClassRefused, 403, 0},
		"101 before reading":        {before("HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), intake.ClassRefused, 101, 0},
		"more than was asked for":   {says("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), intake.ClassRefused, 403, 0},
		"204 with a body":           {endlessly(0, "HTTP/1.1 204 None\r\n\r\n", strings.Repeat("x", 1<<10)), intake.ClassAccepted, 204, 0},
		"a redirect without end":    {endlessly(0, "HTTP/1.1 302 There\r\nLocation: /x\r\n\r\n", strings.Repeat("x", 1<<10)), intake.ClassRefused, 302, 0},
		"Retry-After without end":   {says("HTTP/1.1 403 No\r\nRetry-After: " + strings.Repeat("9", 1<<10) + "\r\nContent-Length: 0\r\n\r\n"), intake.ClassRefused, 403, 0},
		"a length that is negative": {says("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), intake.ClassBroken, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var seen attempts
				client := newClient(t, intake.Config{
					URL: "http://intake.test/in", PostTimeout: timeout, BatchDeadline: timeout, Retry: once(),
				}, intake.OnAttempt(seen.add))
				handling := piped(client, test.answer)
				begin := time.Now()
				err := client.Forward(t.Context(), intake.Caller{}, smallBatch())
				first := seen.all()[0]
				if first.Class != test.class || first.HTTPStatus != test.status || first.Duration > test.most {
					t.Errorf("%+v, want %s, status %d within %v", first, test.class, test.status, test.most)
				}
				if (err == nil) != (test.class == intake.ClassAccepted) {
					t.Errorf("Forward returned %v", err)
				}
				if took := time.Since(begin); took > 2*timeout {
					t.Errorf("it took %v, want at most %v", took, 2*timeout)
				}
				client.Close()
				handling.Wait()
				if n := client.State().Connections; n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// TestSwitchingProtocolsWithinTLS has an intake that reads nothing any more not delay
// the end of the attempt by the goodbye that TLS says.
func TestSwitchingProtocolsWithinTLS(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		own := pki.NewAuthority(t, "own") // valid by the clock of the bubble
		pair := own.Issue(t, "intake", pki.ForHost("intake.test")).TLS(t)
		var seen attempts
		client := newClient(t, intake.Config{
			URL: "https://intake.test/", PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: once(),
			TLS: always(&tls.Config{RootCAs: own.Pool(), MinVersion: tls.VersionTLS12}),
		}, intake.OnAttempt(seen.add))
		ended := make(chan struct{})
		handling := piped(client, func(conn net.Conn) {
			secure := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
			request(secure)
			_, _ = io.WriteString(secure, "HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
			<-ended
		})
		failed := failure(t, client, t.Context())
		if took := seen.all()[0].Duration; failed.HTTPStatus != http.StatusSwitchingProtocols || took > 0 {
			t.Errorf("%v after %v, want HTTPStatus %v and none", failed, took, http.StatusSwitchingProtocols)
		}
		close(ended)
		client.Close()
		handling.Wait()
	})
}

// drainTime is how long the rest of an answer may take.
const drainTime = 2 * time.Second

// before answers before it reads.
func before(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 16))
		go func() { _, _ = io.WriteString(conn, text) }()
		_, _ = io.Copy(io.Discard, conn)
	}
}
