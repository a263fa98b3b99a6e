package integration_test

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/scopegate/scopegate/integration/internal/rawh2"
)

// TestAssaultIdle opens more connections, without a credential, than there may be, and
// keeps them in different ways, while the victim comes with a new one for each upload.
func TestAssaultIdle(t *testing.T) {
	t.Parallel()
	const limit = 100
	most, conns := fmt.Sprint(count(limit, 5*limit)), count(limit, 5*limit)*26/25
	for _, test := range []struct {
		name  string
		short bool
		hold  func(*rawh2.Conn)
	}{
		{"idle connections", true, func(*rawh2.Conn) {}},
		{"connections that ask for health", false, func(conn *rawh2.Conn) { check(conn, checkCall) }},
		{"connections with an upload not begun", false, func(conn *rawh2.Conn) { conn.Open(uploadCall) }},
		{"connections that watch", false, func(conn *rawh2.Conn) {
			stream := conn.Open(rawh2.Call("/grpc.health.v1.Health/Watch"))
			conn.Frames(func(f *http2.Framer) error { return f.WriteData(stream.ID, true, rawh2.Message(nil)) })
		}},
		{"connections within a header", false, func(conn *rawh2.Conn) {
			conn.Frames(func(f *http2.Framer) error {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: conn.Block(uploadCall)})
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assail(t, assault{name: test.name, short: test.short, serve: []string{"--max-connections", most}, dials: true, attack: func(t *testing.T, s *assaulted) {
				t.Helper()
				for range 2 {
					for range conns {
						conn := s.dial(t)
						test.hold(conn)
						conn.Flush()
					}
					s.endure(count(10, 400))
				}
			}})
		})
	}
}

// TestAssaultManyConnections opens so many connections that they alone would take the
// memory, and fills what the server keeps for each.
func TestAssaultManyConnections(t *testing.T) {
	t.Parallel()
	conns := count(300, 6000)
	table := checkCall
	for i := range 60 {
		table = append(slices.Clip(table), hpack.HeaderField{Name: fmt.Sprint("x-", i), Value: strings.Repeat("~", 40)})
	}
	assail(t, assault{name: "many connections", short: true, attack: func(t *testing.T, s *assaulted) {
		t.Helper()
		for range conns {
			conn := s.dial(t)
			check(conn, table)
			conn.Frames(func(f *http2.Framer) error { return f.WriteRawFrame(99, 0, 0, make([]byte, frameBytes)) })
			conn.Flush()
		}
		s.endure(count(20, 400))
	}})
}

// TestAssaultAdmin opens connections to the admin port, and neither ends its requests
// nor reads answers.
func TestAssaultAdmin(t *testing.T) {
	t.Parallel()
	conns := count(300, 1000)
	const burst = 50 // more at once than can be answered close connections before they have asked
	for name, request := range map[string]string{
		"admin, silence":            "",
		"admin, half a request":     "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 10_000),
		"admin, unread answers":     strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
		"admin, a body that stalls": "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx",
		"admin, pages":              strings.Repeat("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
		"admin, events":             "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assail(t, assault{name: name, short: name == "admin, silence", attack: func(t *testing.T, s *assaulted) {
				t.Helper()
				var open []net.Conn
				defer func() {
					for _, conn := range open {
						_ = conn.Close()
					}
				}()
				for i := range conns {
					if i%burst == 0 {
						s.endure(1)
					}
					conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.admin)
					if err != nil {
						t.Fatal(err)
					}
					open = append(open, conn)
					_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // the server may not read it
					_, _ = io.WriteString(conn, request)
				}
				s.endure(count(20, 400))
			}})
		})
	}
}
