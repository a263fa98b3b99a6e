package admin_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/intake"
)

var (
	intakeTile     = regexp.MustCompile(`(?s)<div class="tile intake ([a-z]*)">.*?<dd class="value">([^<]*)</dd>`)
	intakeSentence = regexp.MustCompile(`(?s)<p>(Batches go to <bdi class="host">.*?)<p>Response time`)
	markup         = regexp.MustCompile(`(?s)<table.*</table>|<[^>]*>`)
)

// In each state that the intake can be in, the head of the page, the number and the
// sentence below say the same, and what is true.
func TestConditions(t *testing.T) {
	t.Parallel()
	tried := []admin.Outcome{{Class: "accepted", Good: true, Count: 1}}
	for name, test := range map[string]struct {
		intake               admin.Intake
		head, tile, sentence string
		severity             string
	}{
		"never tried": {
			admin.Intake{State: intake.Up},
			"All is well", "not tried yet", "not tried yet.", "",
		},
		"the first batch is on its way": {
			admin.Intake{State: intake.Up, Posting: 1},
			"All is well", "no answer yet", "tried; no answer yet.", "",
		},
		"the first batch was given up": {
			admin.Intake{State: intake.Up, Attempts: []admin.Outcome{{Class: "cancelled", Count: 2}}},
			"All is well", "no answer yet", "tried; no answer yet.", "",
		},
		"accepting": {
			admin.Intake{State: intake.Up, Attempts: tried, Posting: 1},
			"All is well", "accepting", "accepting batches.", "",
		},
		"one has failed": {
			admin.Intake{State: intake.Up, Attempts: tried, FailedInRow: 1, FailingSince: noon.Add(-time.Second)},
			"All is well", "retrying", "retrying after a failure. The last attempt failed.", "strained",
		},
		"one was refused": {
			admin.Intake{State: intake.Up, Attempts: tried, RefusedInRow: 1},
			"The intake refuses batches", "refusing",
			"refusing batches; they are still being sent. Batches refused in a row: 1.", "failing",
		},
		"the first has failed": {
			admin.Intake{
				State: intake.Up, Attempts: []admin.Outcome{{Class: "timeout", Count: 1}},
				FailedInRow: 1, FailingSince: noon.Add(-time.Second),
			},
			"The intake is failing", "failing",
			"failing; batches are still being sent. The last attempt failed.", "failing",
		},
		"one has failed after long": {
			admin.Intake{State: intake.Up, Attempts: tried, FailedInRow: 1, FailingSince: noon.Add(-30 * time.Second)},
			"The intake is failing", "failing",
			"failing; batches are still being sent. The last attempt failed.", "failing",
		},
		"silent": {
			admin.Intake{State: intake.Up, Attempts: tried, Posting: 1, SilentSince: noon.Add(-10 * time.Second)},
			"The intake does not answer", "silent", "not answering; batches are still being sent.", "strained",
		},
		"silent from the start": {
			admin.Intake{State: intake.Up, Posting: 1, SilentSince: noon.Add(-time.Minute)},
			"The intake does not answer", "silent", "not answering; batches are still being sent.", "strained",
		},
		"posting": {
			admin.Intake{State: intake.Up, Attempts: tried, Posting: 1, SilentSince: noon.Add(-9 * time.Second)},
			"All is well", "accepting", "accepting batches.", "",
		},
		"failing, and still tried": {
			admin.Intake{State: intake.Up, Attempts: tried, FailedInRow: 9},
			"The intake is failing", "failing",
			"failing; batches are still being sent. The last 9 attempts failed.", "failing",
		},
		"refusing": {
			admin.Intake{State: intake.Up, Attempts: tried, RefusedInRow: 3},
			"The intake refuses batches", "refusing",
			"refusing batches; they are still being sent. Batches refused in a row: 3.", "failing",
		},
		"throttled": {
			admin.Intake{State: intake.Throttled, Attempts: tried, FailedInRow: 1},
			"The intake is failing", "throttling", "throttling: it asked for a pause. The last attempt failed.", "failing",
		},
		"down": {
			admin.Intake{State: intake.Down, FailedInRow: 10},
			"The intake is failing", "down", "down; retried from time to time. The last 10 attempts failed.", "failing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := well()
			test.intake.Host = "http://intake.example"
			s.Intake = test.intake
			html := load(t, s)
			if !strings.Contains(html, ">"+test.head+"</p>") {
				t.Errorf("the head does not say %q", test.head)
			}
			if got := intakeTile.FindStringSubmatch(html); got == nil || got[1] != test.severity || got[2] != test.tile {
				t.Errorf("the number: %q, want severity %s, tile %s", got, test.severity, test.tile)
			}
			found := intakeSentence.FindStringSubmatch(html)
			if found == nil {
				t.Fatal("no sentence")
			}
			got := strings.Join(strings.Fields(markup.ReplaceAllString(found[1], "")), " ")
			if want := "Batches go to http://intake.example: " + test.sentence; got != want {
				t.Errorf("the sentence: %q\nwant %q", got, want)
			}
		})
	}
}
