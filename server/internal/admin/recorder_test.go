package admin_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/intake"
)

func report(r *admin.Recorder) (s admin.Snapshot) {
	r.Report(&s)
	return s
}

func TestFinishedAreTheLastOnes(t *testing.T) {
	t.Parallel()
	r := admin.NewRecorder(time.Now())
	if got := report(r); len(got.Finished)+len(got.History)+len(got.Intake.Failures)+len(got.Intake.Attempts) > 0 {
		t.Errorf("at first: %+v, want none", got)
	}
	for i := range int64(250) {
		r.Finish(admin.Finished{Scopes: i, Detail: strings.Repeat("x", 5000), Label: admin.Label{Service: strings.Repeat("y", 5000)}})
	}
	got := report(r).Finished
	if len(got) != 100 || got[0].Scopes != 249 || got[99].Scopes != 150 {
		t.Errorf("%d, from %d to %d, want 100, Scopes 249 and Scopes 150", len(got), got[0].Scopes, got[len(got)-1].Scopes)
	}
	if want := 512 + len("…"); len(got[0].Detail) != want || len(got[0].Service) != want {
		t.Errorf("%d and %d bytes of texts are kept, want %d", len(got[0].Detail), len(got[0].Service), want)
	}
	got[0].Scopes = -1
	if report(r).Finished[0].Scopes != 249 {
		t.Error("a report shares its memory with the recorder")
	}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	r := admin.NewRecorder(begin)
	r.Refuse(begin, "full", true)
	r.Refuse(begin.Add(time.Second), "shop is full", false)
	want := admin.Refusal{At: begin.Add(time.Second), Detail: "shop is full", AllAt: begin}
	if got := report(r).Refused; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSamplesAreDifferences(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	r := admin.NewRecorder(begin)
	totals := admin.Totals{Scopes: 3, ReceivedBytes: 30, JSONBytes: 300, AcceptedBytes: 5}
	r.Attempt(intake.Attempt{Class: intake.ClassAccepted, HTTPStatus: 200, Duration: time.Second})
	r.Attempt(intake.Attempt{Class: intake.ClassThrottled, HTTPStatus: 429, Duration: 3 * time.Second})
	r.Sample(begin.Add(2*time.Second), totals, 77, 4)
	totals.Scopes += 2
	r.Sample(begin.Add(3*time.Second), totals, 78, 5)
	got := report(r).History
	want := []admin.Sample{
		{
			Length: 2 * time.Second, Scopes: 3, ReceivedBytes: 30, JSONBytes: 300, AcceptedBytes: 5, AcceptedAttempts: 1, FailedAttempts: 1,
			DrawnBytes: 77, Uploads: 4, SlowestAttempt: 3 * time.Second,
		},
		{Length: time.Second, Scopes: 2, DrawnBytes: 78, Uploads: 5},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	for i := range 500 {
		r.Sample(begin.Add(time.Duration(i+4)*time.Second), totals, int64(i), 0)
	}
	if got := report(r).History; len(got) != 300 || got[299].DrawnBytes != 499 || got[0].DrawnBytes != 200 {
		t.Errorf("%d samples, want 300, DrawnBytes 499 and DrawnBytes 200", len(got))
	}
}

func TestStreaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := admin.NewRecorder(time.Now())
		attempt := func(class intake.Class) admin.Intake {
			<-time.After(time.Second)
			r.Attempt(intake.Attempt{Class: class, HTTPStatus: 500, Reason: string(class)})
			return report(r).Intake
		}
		for _, class := range []intake.Class{
			intake.ClassUnavailable, intake.ClassUnreachable, intake.ClassBroken, intake.ClassTimeout, intake.ClassThrottled,
		} {
			attempt(class)
		}
		got := attempt(intake.ClassCancelled)
		requireStreak(t, "failing", got, admin.Intake{FailedInRow: 5, FailingSince: time.Now().Add(-5 * time.Second)},
			"throttled", "timeout", "broken", "unreachable", "unavailable")
		attempt(intake.ClassRefused)
		requireStreak(t, "refusing", attempt(intake.ClassRefused),
			admin.Intake{RefusedInRow: 2, RefusingSince: time.Now().Add(-time.Second)},
			"refused", "throttled", "timeout", "broken", "unreachable", "unavailable")
		requireStreak(t, "well again", attempt(intake.ClassAccepted), admin.Intake{},
			"refused", "throttled", "timeout", "broken", "unreachable", "unavailable")
		r.Attempt(intake.Attempt{Class: intake.ClassTimeout, Duration: 30 * time.Second})
		if got, want := report(r).Intake.FailingSince, time.Now().Add(-30*time.Second); !got.Equal(want) {
			t.Errorf("failing since %v, want the start of the attempt, %v", got, want)
		}
		for bytes, refused := range map[int]int64{64<<10 + 1: 0, 64 << 10: 1} {
			attempt(intake.ClassAccepted)
			attempt(intake.ClassTimeout)
			r.Attempt(intake.Attempt{Class: intake.ClassTooLarge, Bytes: bytes})
			if got := report(r).Intake; got.FailedInRow != 0 || got.RefusedInRow != refused {
				t.Errorf("too large with %d bytes: %d failed and %d refused in a row, want 0 and %d",
					bytes, got.FailedInRow, got.RefusedInRow, refused)
			}
		}
	})
}

// requireStreak compares the streaks of an intake, and the classes of its failures,
// which are their reasons as well.
func requireStreak(t *testing.T, when string, got, want admin.Intake, failures ...string) {
	t.Helper()
	for _, class := range failures {
		want.Failures = append(want.Failures, admin.Failure{Class: intake.Class(class), Reason: class})
	}
	ignored := []cmp.Option{
		cmpopts.IgnoreFields(admin.Intake{}, "Attempts", "Latency"),
		cmpopts.IgnoreFields(admin.Failure{}, "At", "Since", "Count", "HTTPStatus", "BatchNum", "Took"),
	}
	if diff := cmp.Diff(want, got, ignored...); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestOutcomesAndLatency(t *testing.T) {
	t.Parallel()
	r := admin.NewRecorder(time.Now())
	for i := range 1000 {
		r.Attempt(intake.Attempt{Class: intake.ClassAccepted, HTTPStatus: 202, Duration: time.Duration(i) * time.Millisecond})
	}
	for i := range 30 {
		r.Attempt(intake.Attempt{Class: intake.ClassUnreachable, Duration: time.Hour, Reason: strconv.Itoa(i) + strings.Repeat("z", 5000)})
	}
	got := report(r).Intake
	outcomes := []admin.Outcome{{Class: "accepted", Good: true, Count: 1000}, {Class: "unreachable", Count: 30}}
	if diff := cmp.Diff(outcomes, got.Attempts); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	want := admin.Latency{Median: 871 * time.Millisecond, P90: 973 * time.Millisecond, Max: 999 * time.Millisecond, Count: 256}
	if got.Latency != want { // of the last 256 that were answered
		t.Errorf("latency: %+v, want %v", got.Latency, want)
	}
	if len(got.Failures) != 20 || len(got.Failures[0].Reason) != 512+len("…") {
		t.Errorf("%d failures, want 20 of 512 bytes", len(got.Failures))
	}
}

func TestFailuresAlikeAreOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := admin.NewRecorder(time.Now())
		begin := time.Now()
		for i := range 100 {
			r.Attempt(intake.Attempt{Class: intake.ClassUnavailable, HTTPStatus: 503, Reason: "away", BatchNum: int32(i)})
			<-time.After(time.Second)
		}
		got := report(r).Intake.Failures
		want := []admin.Failure{{
			At: begin.Add(99 * time.Second), Since: begin, Count: 100,
			Class: "unavailable", HTTPStatus: 503, Reason: "away", BatchNum: 99,
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("alike (-want +got):\n%s", diff)
		}
		for i := range 50 { // the ring goes round
			r.Attempt(intake.Attempt{Class: intake.ClassUnavailable, HTTPStatus: 500 + i/2})
		}
		got = report(r).Intake.Failures
		if len(got) != 20 || got[0].HTTPStatus != 524 || got[0].Count != 2 || got[19].HTTPStatus != 505 || got[19].Count != 2 {
			t.Errorf("%d in pairs, want 20, the first 524, the last 505, each twice: %+v", len(got), got)
		}
	})
}

// With the race detector.
func TestRecorderIsSafe(t *testing.T) {
	t.Parallel()
	r := admin.NewRecorder(time.Now())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				r.Attempt(intake.Attempt{Class: intake.ClassBroken, Duration: time.Duration(i)})
				r.Finish(admin.Finished{Scopes: int64(i)})
				r.Sample(time.Now(), admin.Totals{Scopes: int64(i)}, 1, 1)
				report(r)
			}
		})
	}
	all.Wait()
	var scopes int64
	for _, s := range report(r).History {
		scopes += s.Scopes
	}
	if got := report(r).Intake.FailedInRow; got != 800 {
		t.Errorf("%d attempts in a row, want 800", got)
	}
	if scopes < 0 || scopes > 800 {
		t.Errorf("%d scopes in the last samples, want at least 0 and at most 800", scopes)
	}
}
