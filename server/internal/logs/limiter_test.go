package logs_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scopegate/scopegate/integration/logged"
	"github.com/scopegate/scopegate/server/internal/logs"
)

// Of each message one line a second is logged. It tells how many were not, and is no
// longer than its texts are clipped to.
func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log logged.Text
		limiter := logs.NewLimiter(slog.New(slog.NewTextHandler(&log, nil)))
		for range 25 {
			limiter.Warn("handshake failed", slog.String("error", "bad "+strings.Repeat("\x01", 10_000)))
			limiter.Debug("handshake broken off") // is not logged
			limiter.Info("connection ended")
			<-time.After(time.Second / 10)
		}
		for text, want := range map[string]int{
			"handshake failed": 3, "handshake broken off": 0, "connection ended": 3, "unlogged=0": 2, "unlogged=9": 4,
		} {
			if got := log.Count(text); got != want {
				t.Errorf("%q is logged %d times, want %d", text, got, want)
			}
		}
		if got, most := len(log.String()), 6*(256+200); got > most {
			t.Errorf("logged %d bytes, want %d at most", got, most)
		}
	})
}
