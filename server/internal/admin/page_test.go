package admin_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/admin"
	"github.com/scopegate/scopegate/server/internal/intake"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// well is a server that all is well with.
func well() admin.Snapshot {
	s := admin.Snapshot{
		Taken:  noon,
		Server: admin.Server{Version: "v1.2.3", Started: noon.Add(-26 * time.Hour)},
		Memory: admin.Memory{LimitBytes: 400 << 20, DrawnBytes: 100 << 20, PeakBytes: 120 << 20},
		Intake: admin.Intake{
			Host: "https://intake.example", State: intake.Up,
			Attempts: []admin.Outcome{{Class: "accepted", Good: true, Count: 12345}},
			Latency:  admin.Latency{Median: 20 * time.Millisecond, P90: time.Second, Max: 75 * time.Second, Count: 256},
		},
		UploadCount: 1,
		Uploads: []admin.Upload{{
			Label: admin.Label{UploadID: "6b549bde-d2c4-40ce-943e-3b0afc3e4a3c", Service: "shop", Version: "1.0", Language: "ruby"},
			Began: noon.Add(-90 * time.Second), State: "receiving; forwarding batch 3",
			Scopes: 4321, ReceivedBytes: 5 << 20, JSONBytes: 15 << 20, GzipBytes: 1 << 20, HeldBytes: 200 << 10, BatchNum: 4, AcceptedBatches: 2,
		}},
		Finished: []admin.Finished{{
			Label: admin.Label{UploadID: "f", Service: "old"}, Ended: noon, Took: time.Second, Code: "Unavailable", Reason: "INTAKE_UNAVAILABLE",
			Detail: "forward batch 2: intake answered 503", Scopes: 10, AcceptedScopes: 5, Batches: 1,
		}},
	}
	for i := range 400 {
		s.History = append(s.History, admin.Sample{
			Length: time.Second, Scopes: 10, ReceivedBytes: int64(i) << 10, JSONBytes: int64(i) << 11, AcceptedBytes: int64(i) << 7,
			AcceptedAttempts: int64(i % 3), DrawnBytes: 100 << 20, Uploads: i % 7, SlowestAttempt: time.Duration(i) * time.Millisecond,
		})
	}
	return s
}

func serve(t *testing.T, p *admin.Page, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return recorder
}

func load(t *testing.T, s admin.Snapshot) string {
	t.Helper()
	p := admin.NewPage(func() admin.Snapshot { return s })
	t.Cleanup(p.Close)
	resp := serve(t, p, http.MethodGet, "/")
	if resp.Code != http.StatusOK {
		t.Fatal(resp.Code)
	}
	html := resp.Body.String()
	wellFormed(t, html)
	return html
}

// wellFormed fails the test unless each element of the HTML is closed where it must
// be.
func wellFormed(t *testing.T, html string) {
	t.Helper()
	html = regexp.MustCompile(`(?i)<!doctype html>`).ReplaceAllString(html, "")
	html = regexp.MustCompile(`<(meta|link)([^>]*)>`).ReplaceAllString(html, `<$1$2/>`)
	html = regexp.MustCompile(` (defer|hidden)>`).ReplaceAllString(html, ` $1="">`)
	d := xml.NewDecoder(strings.NewReader(html))
	d.Entity = xml.HTMLEntity
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	p := admin.NewPage(well)
	t.Cleanup(p.Close)
	for _, path := range []string{"/", "/status.json", "/assets/page.css", "/assets/page.js", "/assets/icon.svg", "/nothing"} {
		resp := serve(t, p, http.MethodGet, path)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := resp.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q, want %v", path, name, got, want)
			}
		}
		policy := resp.Header().Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q, want that of a page without foreign parts", path, policy)
		}
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	p := admin.NewPage(well)
	t.Cleanup(p.Close)
	html := serve(t, p, http.MethodGet, "/").Body.String()
	links := regexp.MustCompile(`(?:href|src)="([^"#][^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(links) != 3 {
		t.Errorf("%d links: %v, want 3", len(links), links)
	}
	for _, link := range links {
		resp := serve(t, p, http.MethodGet, "/"+link[1])
		if resp.Code != http.StatusOK || resp.Body.Len() == 0 {
			t.Errorf("%s: %d, want %d and a body", link[1], resp.Code, http.StatusOK)
		}
	}
	if strings.Contains(html, "style=") || strings.Contains(html, "<style") || regexp.MustCompile(` on[a-z]+=`).MatchString(html) {
		t.Error("there is something inline that the policy forbids")
	}
}

func TestMethodsAndPaths(t *testing.T) {
	t.Parallel()
	p := admin.NewPage(well)
	t.Cleanup(p.Close)
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", 200},
		{http.MethodHead, "/", 200},
		{http.MethodGet, "/status.json", 200},
		{http.MethodPost, "/status.json", 405},
		{http.MethodPost, "/", 405},
		{http.MethodDelete, "/events", 405},
		{http.MethodGet, "/uploads", 404},
		{http.MethodGet, "/assets/", 404},
		{http.MethodGet, "/assets/page.html.tmpl", 404},
	} {
		if resp := serve(t, p, test.method, test.path); resp.Code != test.want {
			t.Errorf("%s %s: %d, want %v", test.method, test.path, resp.Code, test.want)
		}
	}
}

func TestShowsWhatThereIs(t *testing.T) {
	t.Parallel()
	html := load(t, well())
	for _, want := range []string{
		"All is well", "v1.2.3", "1\u00a0d 2\u00a0h", // up for
		"shop", "6b549bde…", "receiving; forwarding batch 3", "1\u00a0min 30\u00a0s", "4\u202f321", "5.0\u00a0MiB", "15.0\u00a0MiB", "4, 2 accepted",
		"25\u00a0%", "100\u00a0MiB of 400\u00a0MiB", "https://intake.example", "12\u202f345", "20\u00a0ms median",
		"INTAKE_UNAVAILABLE", "forward batch 2: intake answered 503",
		"10 scopes a second", // the mean of the last five
	} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, unwanted := range []string{"Tenant", "class=\"problem ", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(html, unwanted) {
			t.Errorf("%q is there", unwanted)
		}
	}
	if got := strings.Count(html, `role="img"`); got != 6 {
		t.Errorf("%d plots, want 6", got)
	}
}

func TestNothingYet(t *testing.T) {
	t.Parallel()
	html := load(t, admin.Snapshot{Taken: noon, Server: admin.Server{Started: noon}, Intake: admin.Intake{State: intake.Up}})
	for _, want := range []string{"All is well", "None.", "None yet.", "not tried yet"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	s := well()
	s.Uploads[0].Tenant = "team-a"
	if html := load(t, s); !strings.Contains(html, ">Tenant</th>") || !strings.Contains(html, "team-a") {
		t.Error("no tenant")
	}
}

func TestMoreUploadsThanShown(t *testing.T) {
	t.Parallel()
	s := well()
	s.UploadCount = 12345
	if html := load(t, s); !strings.Contains(html, "12\u202f345; showing 1: the oldest and the largest") {
		t.Error("nothing tells that there are more")
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	since := noon.Add(-10 * time.Minute)
	refusal := admin.Failure{At: noon, Class: "refused", HTTPStatus: 403, Reason: "Forbidden", BatchNum: 1}
	for name, test := range map[string]struct {
		change func(*admin.Snapshot)
		want   []string // titles, the worst first
		text   string
	}{
		"one failure": {func(s *admin.Snapshot) { s.Intake.FailedInRow, s.Intake.FailingSince = 1, noon }, nil, "retrying"},
		"intake fails": {func(s *admin.Snapshot) {
			s.Intake.FailedInRow, s.Intake.FailingSince = 3, since
			s.Intake.Failures = []admin.Failure{{Class: "unreachable", Reason: "dial tcp: connection refused"}}
		}, []string{"The intake is failing"}, "unreachable: dial tcp: connection refused"},
		"intake down":   {func(s *admin.Snapshot) { s.Intake.State = intake.Down }, []string{"The intake is failing"}, ">down<"},
		"intake spared": {func(s *admin.Snapshot) { s.Intake.State = intake.Throttled }, []string{"The intake is failing"}, "throttling"},
		"intake refuses": {func(s *admin.Snapshot) {
			s.Intake.RefusedInRow, s.Intake.RefusingSince, s.Intake.Failures = 3, since, []admin.Failure{refusal}
		}, []string{"The intake refuses batches"}, "HTTP 403: Forbidden"},
		"intake can't read": {func(s *admin.Snapshot) {
			s.Intake.RefusedInRow, s.Intake.Failures = 3, []admin.Failure{{Class: "refused", HTTPStatus: 400, BatchNum: 1}}
		}, []string{"The intake refuses batches"}, "HTTP 400. Please report it."},
		"intake finds all too large": {func(s *admin.Snapshot) {
			s.Intake.RefusedInRow, s.Intake.Failures = 1, []admin.Failure{{Class: "too_large", HTTPStatus: 413, BatchNum: 1}}
		}, []string{"The intake refuses batches"}, "HTTP 413. It finds even small batches too large"},
		"invalid files": {func(s *admin.Snapshot) {
			s.InvalidTenants, s.InvalidTLS = strings.Repeat("folder/", 40)+"tenants.yaml: line 9: unknown key", "server.pem: no certificate"
		}, []string{"The tenants file is invalid", "The TLS files are invalid"}, "/tenants.yaml: line 9: unknown key. The previous tenants stay."},
		"memory full": {func(s *admin.Snapshot) {
			s.Memory.Refusing, s.Memory.Short, s.Memory.Waiting = true, true, 7
		}, []string{"Memory is full"}, "7 waiting for memory"},
		"memory short": {func(s *admin.Snapshot) { s.Memory.Short = true }, []string{"Memory is short"}, ""},
		"uploads wait": {func(s *admin.Snapshot) { s.Memory.Waiting = 1 }, []string{"Memory is short"}, ""},
		"refused": {func(s *admin.Snapshot) {
			s.Refused = admin.Refusal{At: noon.Add(-59 * time.Second), Detail: "service shop has reached its upload limit of 2"}
		}, []string{"Uploads are refused"}, "told to retry. The last: service shop has reached its upload limit of 2."},
		"refused for a service": {func(s *admin.Snapshot) { s.Refused.At = noon }, []string{"Uploads are refused"}, `class="problem strained"`},
		"refused for all": {func(s *admin.Snapshot) {
			s.Refused = admin.Refusal{At: noon, AllAt: noon.Add(-59 * time.Second)}
		}, []string{"Uploads are refused"}, `class="problem failing"`},
		"refused before": {func(s *admin.Snapshot) { s.Refused.At = noon.Add(-61 * time.Second) }, nil, ""},
		"spool is full":  {func(s *admin.Snapshot) { s.Memory.SpoolBytes, s.Memory.SpoolLimitBytes = 95, 100 }, []string{"The spool is nearly full"}, "spool 95\u00a0B of 100\u00a0B"},
		"spool fails": {func(s *admin.Snapshot) {
			s.Memory.SpoolFailedAt, s.Memory.SpoolError = noon.Add(-59*time.Second), "no space left on device"
		}, []string{"The spool fails"}, "Look at its disk: no space left on device"},
		"spool failed": {func(s *admin.Snapshot) { s.Memory.SpoolFailedAt = noon.Add(-61 * time.Second) }, nil, ""},
		"all at once": {func(s *admin.Snapshot) {
			s.Server.Stopping, s.Memory.Refusing, s.Intake.State = true, true, intake.Down
		}, []string{"The intake is failing", "Memory is full", "The server is stopping"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := well()
			test.change(&s)
			html := load(t, s)
			var got []string
			for _, m := range regexp.MustCompile(`(?s)<div class="problem [a-z]+">\s*<h2>([^<]*)`).FindAllStringSubmatch(html, -1) {
				got = append(got, strings.TrimSpace(m[1]))
			}
			if strings.Join(got, "|") != strings.Join(test.want, "|") {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if !strings.Contains(html, test.text) {
				t.Errorf("no %q", test.text)
			}
			if len(test.want) > 0 && !strings.Contains(html, ">"+test.want[0]+"</p>") {
				t.Error("the head of the page does not tell the worst problem")
			}
			if s.Intake.FailingSince.Equal(since) && !strings.Contains(html, `since <time datetime="2026-11-22T11:50:00Z">11:50:00</time> UTC`) {
				t.Error("it does not tell since when")
			}
		})
	}
}

// Each place that shows a text of a client's or the intake's gets hostile ones.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"script":    `<script>alert(1)</script>`,
		"attribute": `"><img src=x onerror=alert(1)>`,
		"template":  `{{.Version}}</bdi></td></table>`,
		"comment":   `<!-- --> ]]> -->`,
		"long":      strings.Repeat("w", 10_000),
		"longer":    strings.Repeat("\u0300", 100_000),
		"direction": "\u202egnp.exe\u2066\u200f",
		"lines":     "one\ntwo\r\nthree\u2028four\x00five\x1b[31m",
		"invalid":   "a\xff\xfe\xc3",
		"entities":  "&lt;&#x3C;",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			label := admin.Label{UploadID: text, Service: text, Version: text, Language: text, Tenant: text}
			html := load(t, admin.Snapshot{
				Taken: noon, Server: admin.Server{Version: text, Started: noon},
				Intake: admin.Intake{
					Host: text, State: intake.Down, Failures: []admin.Failure{{Class: intake.Class(text), Reason: text}},
					Attempts: []admin.Outcome{{Class: intake.Class(text), Count: 1}},
				},
				Uploads:  []admin.Upload{{Label: label, State: text}},
				Finished: []admin.Finished{{Label: label, Code: text, Reason: text, Detail: text}},
				Refused:  admin.Refusal{At: noon, Detail: text},
			})
			if got, most := strings.Count(html, "<script"), 1; got != most {
				t.Errorf("%d scripts, want %v", got, most)
			}
			if strings.Contains(html, "<img") || strings.Contains(html, "<!-- -->") {
				t.Error("a text became an element")
			}
			if strings.ContainsAny(html, "\u202e\u2066\u200f\u2028\x00\x1b\ufffd") {
				t.Error("something invisible is left in")
			}
			if len(html) > 60_000 {
				t.Errorf("the page has become %d bytes long, want at most 60000", len(html))
			}
		})
	}
}

// A snapshot is taken once for however many visitors.
func TestSnapshotsAreShared(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{}, 1000)
	p := admin.NewPage(func() admin.Snapshot {
		taken <- struct{}{}
		return well()
	})
	t.Cleanup(p.Close)
	begin := time.Now()
	for range 100 {
		serve(t, p, http.MethodGet, "/")
		serve(t, p, http.MethodGet, "/status.json")
	}
	if most := 2 + int(2*time.Since(begin)/admin.Refresh); len(taken) > most {
		t.Errorf("%d snapshots in %v, want at most %v", len(taken), time.Since(begin), most)
	}
}
