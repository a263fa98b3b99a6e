package devintake_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/devintake"
)

// TestBodiesMustArrive has clients not send, or not in time, what they have announced:
// they are told so, and their connections end.
func TestBodiesMustArrive(t *testing.T) {
	t.Parallel()
	const headers = "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nContent-Type: multipart/form-data; boundary=XX\r\n\r\n"
	const part = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"file.gz\"\r\nContent-Type: application/gzip\r\n\r\n"
	for name, test := range map[string]struct {
		sent, trickling string
		status          int
	}{
		"nothing":               {headers, "", http.StatusRequestTimeout},
		"byte by byte":          {headers, "x", http.StatusRequestTimeout},
		"half a part":           {headers + part, "", http.StatusRequestTimeout},
		"a gzip that goes on":   {headers + part + "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x00\x00\x00\xff\xff", http.StatusRequestTimeout},
		"what is wrong":         {headers + "--XX\r\nWrong: x\r\n\r\n", "x", http.StatusBadRequest},
		"what is not looked at": {strings.Replace(headers, "POST /in", "PUT /in", 1), "x", http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := devintake.New(devintake.Options{BodyTimeout: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(in)
			t.Cleanup(server.Close)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // reached only when the test fails
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, test.sent); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				ticker := time.NewTicker(5 * time.Millisecond)
				defer ticker.Stop()
				for range ticker.C {
					if _, err := io.WriteString(conn, test.trickling); err != nil {
						return
					}
					if test.trickling == "" {
						return
					}
				}
			}()
			reader := bufio.NewReader(conn)
			answer, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != test.status {
				t.Errorf("answered %s: %s, want %d", answer.Status, body, test.status)
			}
			_ = answer.Body.Close()
			if _, err := reader.ReadByte(); err == nil {
				t.Error("more was answered")
			}
			_ = conn.Close()
			<-ended
			if in.RefusalCount() != 1 {
				t.Errorf("%d refusals, want 1", in.RefusalCount())
			}
		})
	}
}
