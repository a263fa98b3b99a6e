package uploading

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What holds an upload up is told while it lasts, and what its scopes are read from
// is not that.
func TestStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := newStall(&progressLines{w: &out, now: time.Now})
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		pass(time.Hour)
		s.begin(1)
		pass(9 * time.Second)
		s.end()
		pass(time.Hour)
		s.begin(7)
		pass(25 * time.Second)
		s.end()
		pass(time.Hour)
		want := "waiting for the server, which has accepted nothing for 10s and may be waiting for its intake; 7 scopes sent\n" +
			"waiting for the server, which has accepted nothing for 20s and may be waiting for its intake; 7 scopes sent\n"
		if out.String() != want {
			t.Errorf("got\n%swant\n%s", out.String(), want)
		}
	})
}
