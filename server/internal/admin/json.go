package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/scopegate/scopegate/server/internal/intake"
)

func (p *Page) serveStatus(w http.ResponseWriter, _ *http.Request) {
	text, err := p.statusText()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, text)
}

// statusText returns a [Status] that is less than a Refresh old, as JSON of printable
// characters.
func (p *Page) statusText() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	if p.status == nil {
		text, err := json.MarshalIndent(statusOf(p.latest), "", "  ")
		if err != nil {
			return nil, fmt.Errorf("write the status: %w", err)
		}
		p.status = append(escapeInvisible(text), '\n')
	}
	return p.status, nil
}

// escapeInvisible escapes characters that a terminal interprets or does not show. JSON
// has such characters only in strings, except for line ends.
func escapeInvisible(text []byte) []byte {
	escaped := make([]byte, 0, len(text))
	for _, r := range string(text) {
		if r == '\n' || unicode.IsPrint(r) {
			escaped = utf8.AppendRune(escaped, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	return escaped
}

func statusOf(v view) Status {
	s := Status{
		SchemaVersion: StatusSchema,
		Taken:         v.Taken,
		Server:        StatusServer(v.Server),
		State:         string(v.State.Severity),
		Problems:      []StatusIssue{},
		Memory: StatusMemory{
			LimitBytes: v.Memory.LimitBytes, DrawnBytes: v.Memory.DrawnBytes, PeakBytes: v.Memory.PeakBytes,
			WaitingUploads: v.Memory.Waiting, Short: v.Memory.Short, Refusing: v.Memory.Refusing,
			SpoolBytes: v.Memory.SpoolBytes, SpoolLimitBytes: v.Memory.SpoolLimitBytes,
		},
		Intake:      intakeStatus(v.Intake, v.Taken),
		UploadCount: v.UploadCount,
		Uploads:     []StatusUpload{},
		Finished:    []StatusEnd{},
	}
	r := &s.Rates
	r.ScopesPerSecond, r.ReceivedBytesPerSecond, r.JSONBytesPerSecond, r.AcceptedBytesPerSecond = rates(v.History)
	for _, p := range v.Problems {
		s.Problems = append(s.Problems, StatusIssue{string(p.Severity), p.Title, p.Text, p.Since})
	}
	for _, u := range v.Uploads {
		s.Uploads = append(s.Uploads, StatusUpload{
			StatusLabel: StatusLabel(u.Label), Began: u.Began, State: keep(u.State), Stuck: u.Stuck,
			ScopeCount: u.Scopes, ReceivedBytes: u.ReceivedBytes, JSONBytes: u.JSONBytes, GzipBytes: u.GzipBytes,
			HeldBytes: u.HeldBytes, BatchNum: u.BatchNum, AcceptedBatchCount: u.AcceptedBatches,
		})
	}
	for _, f := range v.Finished {
		s.Finished = append(s.Finished, StatusEnd{
			StatusLabel: StatusLabel(f.Label), Ended: f.Ended, DurationSeconds: f.Took.Seconds(),
			Code: f.Code, Reason: f.Reason, Detail: f.Detail,
			ScopeCount: f.Scopes, AcceptedScopeCount: f.AcceptedScopes,
			JSONBytes: f.JSONBytes, GzipBytes: f.GzipBytes, BatchCount: f.Batches,
		})
	}
	return s
}

func intakeStatus(in Intake, now time.Time) StatusIntake {
	s := StatusIntake{
		Host: in.Host, State: string(in.State), Condition: conditionOf(in, now).Long,
		PostingBatches: in.Posting, RetryAt: in.RetryAt,
		FailingSince: in.FailingSince, FailedInRow: in.FailedInRow,
		SilentSince: in.SilentSince, RefusingSince: in.RefusingSince, RefusedInRow: in.RefusedInRow,
		Attempts: []StatusOutcome{},
		Latency: StatusLatency{
			AttemptCount: in.Latency.Count, MedianSeconds: in.Latency.Median.Seconds(),
			P90Seconds: in.Latency.P90.Seconds(), MaxSeconds: in.Latency.Max.Seconds(),
		},
		Failures: []StatusFailure{},
	}
	if s.State == "" {
		s.State = string(intake.Up)
	}
	for _, o := range in.Attempts {
		s.Attempts = append(s.Attempts, StatusOutcome{string(o.Class), o.Good, o.Count})
	}
	for _, f := range in.Failures {
		s.Failures = append(s.Failures, StatusFailure{
			At: f.At, Since: f.Since, Count: f.Count, Outcome: string(f.Class), HTTPStatus: f.HTTPStatus,
			Reason: f.Reason, BatchNum: f.BatchNum, DurationSeconds: f.Took.Seconds(),
		})
	}
	return s
}
