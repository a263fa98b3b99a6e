package admin_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// troubled is a server with something in each field of its status.
func troubled() admin.Snapshot {
	s := well()
	s.Server.Stopping = true
	s.Memory = admin.Memory{
		LimitBytes: 400, DrawnBytes: 300, PeakBytes: 350, Waiting: 2, Short: true, Refusing: true, SpoolBytes: 95, SpoolLimitBytes: 100,
	}
	s.Intake.State, s.Intake.Posting, s.Intake.RetryAt = intake.Down, 3, noon.Add(time.Second)
	s.Intake.SilentSince = noon.Add(-time.Second)
	s.Intake.FailingSince, s.Intake.FailedInRow = noon.Add(-time.Minute), 12
	s.Intake.RefusingSince, s.Intake.RefusedInRow = noon.Add(-time.Hour), 1
	s.Intake.Failures = []admin.Failure{{
		At: noon, Since: noon.Add(-time.Minute), Count: 12, Class: "unavailable", HTTPStatus: 503, Reason: "away for <lunch>",
		BatchNum: 7, Took: 1500 * time.Millisecond,
	}}
	s.Uploads[0].Tenant, s.Uploads[0].Stuck = "team-a", true
	return s
}

func statusText(t *testing.T, s admin.Snapshot) string {
	t.Helper()
	p := admin.NewPage(func() admin.Snapshot { return s })
	t.Cleanup(p.Close)
	resp := serve(t, p, http.MethodGet, "/status.json")
	if got := resp.Header().Get("Content-Type"); resp.Code != http.StatusOK || got != "application/json" {
		t.Fatalf("got status %d and type %q, want %d and application/json", resp.Code, got, http.StatusOK)
	}
	return resp.Body.String()
}

// Programs rely on the names and the meaning of the fields: a change here that is not an
// addition raises StatusSchema.
func TestStatus(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	got := statusText(t, troubled())
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	var status admin.Status
	if err := json.Unmarshal([]byte(got), &status); err != nil || status.SchemaVersion != admin.StatusSchema {
		t.Errorf("got version %d, %v, want %d", status.SchemaVersion, err, admin.StatusSchema)
	}
	document, err := os.ReadFile("../../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(got, -1) {
		if !strings.Contains(string(document), "`"+name[1]+"`") {
			t.Errorf("got no `%s` in docs/admin.md, want each field of the status", name[1])
		}
	}
}

// What is empty is an empty list, not null, so that programs can loop over it.
func TestStatusOfNothing(t *testing.T) {
	t.Parallel()
	got := statusText(t, admin.Snapshot{Taken: noon})
	for _, want := range []string{
		`"problems": []`, `"uploads": []`, `"finished": []`, `"attempts": []`, `"failures": []`, `"state": "well"`, `"state": "up"`,
		`"condition": "not tried yet"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %s, want it in %s", want, got)
		}
	}
	if strings.Contains(got, "null") || strings.Contains(got, "0001-01-01") && strings.Count(got, "0001-01-01") != 1 {
		t.Errorf("got %s, want neither null nor a moment that is unknown, except the start", got)
	}
}

// A terminal that shows the status obeys nothing in it.
func TestStatusOfHostileTexts(t *testing.T) {
	t.Parallel()
	text := "</script>\x1b]0;title\x07\u009b31m\u202egnp\U000e0001\xff" + strings.Repeat("w", 10_000)
	label := admin.Shortened(admin.Label{UploadID: text, Service: text})
	s := admin.Snapshot{Taken: noon, Uploads: []admin.Upload{{Label: label, State: text}}}
	got := statusText(t, s)
	if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("got %q, want what can be printed", got[i:i+10])
	}
	var status admin.Status
	if err := json.Unmarshal([]byte(got), &status); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(label.Service, "\xff", "\ufffd")
	if u := status.Uploads[0]; u.Service != want || u.State != want {
		t.Errorf("got %q and %q, want %q", u.Service, u.State, want)
	}
	if most := 5_000; len(got) > most {
		t.Errorf("got %d bytes, want at most %d", len(got), most)
	}
}
