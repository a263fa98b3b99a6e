package integration_test

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/scopegate/scopegate/integration/internal/rawh2"
)

// checkCall is the header of a question for the server's health.
var checkCall = rawh2.Call(healthv1.Health_Check_FullMethodName)

// large adds a field close to the largest that a request may have.
func large(call []hpack.HeaderField) []hpack.HeaderField {
	return append(slices.Clip(call), hpack.HeaderField{Name: "x-large", Value: strings.Repeat("~", 6<<10)})
}

// crowded adds fields that take far more memory than bytes.
func crowded(call []hpack.HeaderField) []hpack.HeaderField {
	fields := slices.Clip(call)
	for i := range 200 {
		fields = append(fields, hpack.HeaderField{Name: strconv.Itoa(100 + i%100)})
	}
	return fields
}

// check asks for the server's health.
func check(conn *rawh2.Conn, call []hpack.HeaderField) {
	stream := conn.Open(call)
	conn.Frames(func(f *http2.Framer) error { return f.WriteData(stream.ID, true, rawh2.Message(nil)) })
	conn.Forget(stream)
}

// TestAssaultClosedWindow asks for health, without a credential, over connections whose
// windows leave no room for an answer.
func TestAssaultClosedWindow(t *testing.T) {
	t.Parallel()
	conns, streams := count(20, 120), count(250, 1000)
	closed := func(conn *rawh2.Conn) {
		conn.Frames(func(f *http2.Framer) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		})
	}
	used := func(conn *rawh2.Conn) {
		for range 9_500 / 500 {
			for range 500 {
				check(conn, checkCall)
			}
			if !conn.Settles() {
				return
			}
		}
	}
	for _, test := range []struct {
		name  string
		short bool
		close func(*rawh2.Conn)
		call  []hpack.HeaderField
	}{
		{"closed windows", false, closed, checkCall},
		{"closed windows, large headers", false, closed, large(checkCall)},
		{"closed windows, crowded headers", true, closed, crowded(checkCall)},
		{"windows used up", false, used, large(checkCall)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assail(t, assault{name: test.name, short: test.short, attack: func(t *testing.T, s *assaulted) {
				t.Helper()
				for range conns {
					conn := s.dial(t)
					test.close(conn)
					for range streams {
						check(conn, test.call)
					}
					conn.Flush()
				}
				s.endure(count(20, 600))
			}})
		})
	}
}

// TestAssaultDeaf asks for answers over connections that nobody reads.
func TestAssaultDeaf(t *testing.T) {
	t.Parallel()
	conns, frames := count(4, 30), count(2_000, 9_000)
	settings := make([]http2.Setting, 2_700)
	for i := range settings {
		settings[i] = http2.Setting{ID: http2.SettingHeaderTableSize, Val: 4096}
	}
	refused := append(rawh2.Call("/a/b")[:4:4], hpack.HeaderField{Name: "content-type", Value: strings.Repeat("\xff", 3000)})
	for _, test := range []struct {
		name  string
		short bool
		send  func(conn *rawh2.Conn, i int)
	}{
		{"deaf, SETTINGS", false, func(conn *rawh2.Conn, _ int) {
			conn.Frames(func(f *http2.Framer) error { return f.WriteSettings(settings...) })
		}},
		{"deaf, checks", true, func(conn *rawh2.Conn, _ int) { check(conn, large(checkCall)) }},
		{"deaf, resets", false, func(conn *rawh2.Conn, _ int) {
			stream := conn.Open(crowded(uploadCall))
			stream.Cancel()
			conn.Forget(stream)
		}},
		{"deaf, refused requests", false, func(conn *rawh2.Conn, _ int) { conn.Forget(conn.OpenAndEnd(refused)) }},
		{"deaf, PING", false, func(conn *rawh2.Conn, _ int) {
			conn.Frames(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assail(t, assault{name: test.name, short: test.short, attack: func(t *testing.T, s *assaulted) {
				t.Helper()
				var sending sync.WaitGroup
				for range conns {
					conn := rawh2.DialDeaf(t, s.Address)
					s.conns = append(s.conns, conn)
					sending.Go(func() {
						conn.Within(time.Duration(count(5, 30)) * time.Second)
						fill(conn)
						for i := range frames {
							test.send(conn, i)
						}
						conn.Flush()
					})
				}
				sending.Wait()
				s.endure(count(20, 400))
			}})
		})
	}
}

// fill has the server answer until the kernel keeps no more of that, so that it can't
// write.
func fill(conn *rawh2.Conn) {
	const answerBytes, socketBytes = 3 << 10, 4 << 20
	calls := [2][]hpack.HeaderField{
		rawh2.Call("/a/" + strings.Repeat("a", answerBytes)), rawh2.Call("/b/" + strings.Repeat("b", answerBytes)),
	}
	for i := range socketBytes / answerBytes {
		conn.Forget(conn.OpenAndEnd(calls[i%2]))
	}
	conn.Flush()
}
