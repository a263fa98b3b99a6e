package admin

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/scopegate/scopegate/server/internal/intake"
)

// severity is how urgent a problem is.
type severity string

const (
	failing  severity = "failing"  // uploads fail
	strained severity = "strained" // uploads are slow
	notice   severity = "notice"   // uploads are well
)

// problem is shown at the top of the page. Its texts must not change while it lasts,
// because screen readers repeat what changes.
type problem struct {
	Severity severity
	Title    string
	Text     string
	Since    time.Time // zero if unknown
}

const (
	// failedInRow is how many attempts in a row must fail to be a problem. Fewer suffice
	// if they take longer than patience, or if the intake has never accepted a batch.
	failedInRow = 3
	// patience is how long the intake may accept nothing, or not answer, while batches are
	// posted.
	patience = 10 * time.Second
	// recently is how long a refused upload, or a failure of the spool, stays a problem.
	recently = time.Minute
	// spoolFullPercent is when the spool is nearly full.
	spoolFullPercent = 90
)

// problems returns the current problems, the worst first.
func problems(s Snapshot) []problem {
	var found []problem
	add := func(present bool, p problem) {
		if present {
			found = append(found, p)
		}
	}
	in, mem := s.Intake, s.Memory
	down := in.isDown(s.Taken)
	add(down, problem{failing, "The intake is failing", lastFailure(in), in.FailingSince})
	add(!down && in.RefusedInRow > 0, problem{
		failing, "The intake refuses batches",
		lastFailure(in) + refusalAdvice(in), in.RefusingSince,
	})
	add(!down && in.RefusedInRow == 0 && in.isSilent(s.Taken), problem{
		strained, "The intake does not answer",
		"Batches are being posted, but none has been answered for a while.", in.SilentSince,
	})
	add(mem.Refusing, problem{failing, "Memory is full", "New uploads are refused, and told to retry.", time.Time{}})
	add(!mem.Refusing && s.Taken.Sub(s.Refused.At) < recently, refusal(s))
	add(!mem.Refusing && (mem.Short || mem.Waiting > 0), problem{
		strained, "Memory is short", "The uploads that hold the most memory are paused until more is free.", time.Time{},
	})
	add(s.Taken.Sub(mem.SpoolFailedAt) < recently, problem{
		strained, "The spool fails",
		"Batches are forwarded before they are full. Look at its disk: " + clipReason(mem.SpoolError),
		time.Time{},
	})
	add(percent(mem.SpoolBytes, mem.SpoolLimitBytes) >= spoolFullPercent, problem{
		strained, "The spool is nearly full",
		"Batches are forwarded early, so they are smaller and there are more of them.",
		time.Time{},
	})
	add(s.InvalidTenants != "", problem{
		notice, "The tenants file is invalid",
		visible(s.InvalidTenants, maxKeptBytes) + ". The previous tenants stay.",
		time.Time{},
	})
	add(s.InvalidTLS != "", problem{
		notice, "The TLS files are invalid",
		visible(s.InvalidTLS, maxKeptBytes) + ". The previous files stay in use.",
		time.Time{},
	})
	add(s.Server.Stopping, problem{
		notice, "The server is stopping", "It accepts no new uploads; those in flight may finish.", time.Time{},
	})
	return found
}

func lastFailure(in Intake) string {
	if len(in.Failures) == 0 {
		return "It accepts no batches."
	}
	return "Last: " + failureText(in.Failures[0]) + "."
}

// refusalAdvice says what to do if the intake refuses batches. 400 means that it can't
// read them.
func refusalAdvice(in Intake) string {
	status := 0
	if len(in.Failures) > 0 {
		status = in.Failures[0].HTTPStatus
	}
	switch status {
	case http.StatusBadRequest:
		return " Please report it."
	case http.StatusRequestEntityTooLarge:
		return " It finds even small batches too large: raise the limit on the body, perhaps in a proxy before it."
	}
	return " Check the API key and the URL."
}

func failureText(f Failure) string {
	words := classText(f.Class)
	if f.HTTPStatus != 0 {
		words += ", HTTP " + strconv.Itoa(f.HTTPStatus)
	}
	if f.Reason != "" {
		words += ": " + clipReason(f.Reason)
	}
	return words
}

// refusal says that uploads were refused. A limit of a service or tenant is not the
// server's failure.
func refusal(s Snapshot) problem {
	p := problem{
		strained, "Uploads are refused",
		"In the last minute, some uploads exceeded a limit and were told to retry. The last: " +
			clipReason(s.Refused.Detail) + ".",
		time.Time{},
	}
	if s.Taken.Sub(s.Refused.AllAt) < recently {
		p.Severity = failing
	}
	return p
}

// condition is the state of the intake in words.
type condition struct {
	// Short is a word or two. Long follows the intake's name and a colon.
	Short, Long string
	Severity    severity
}

// Fails reports whether the intake accepts nothing, refuses what it gets, or has not
// answered for a while.
func (in Intake) Fails(now time.Time) bool {
	return in.isDown(now) || in.RefusedInRow > 0 || in.isSilent(now)
}

func (in Intake) isDown(now time.Time) bool {
	return in.fails(now) || in.State != intake.Up && in.State != ""
}

// fails reports whether the intake accepts nothing, judged by the latest attempts.
func (in Intake) fails(now time.Time) bool {
	if in.FailedInRow == 0 {
		return false
	}
	accepted := slices.ContainsFunc(in.Attempts, func(o Outcome) bool { return o.Good })
	return !accepted || in.FailedInRow >= failedInRow || now.Sub(in.FailingSince) >= patience
}

// isSilent reports whether batches have waited long for an answer.
func (in Intake) isSilent(now time.Time) bool {
	return !in.SilentSince.IsZero() && now.Sub(in.SilentSince) >= patience
}

// conditionOf returns the worst condition that applies to the intake at a time.
func conditionOf(in Intake, now time.Time) condition {
	answered := slices.ContainsFunc(in.Attempts, func(o Outcome) bool { return o.Class != intake.ClassCancelled })
	switch {
	case in.State == intake.Down || in.State == intake.Probing:
		return condition{"down", "down; retried from time to time", failing}
	case in.State == intake.Throttled:
		return condition{"throttling", "throttling: it asked for a pause", failing}
	case in.fails(now):
		return condition{"failing", "failing; batches are still being sent", failing}
	case in.RefusedInRow > 0:
		return condition{"refusing", "refusing batches; they are still being sent", failing}
	case in.isSilent(now):
		return condition{"silent", "not answering; batches are still being sent", strained}
	case in.FailedInRow > 0:
		return condition{"retrying", "retrying after a failure", strained}
	case answered:
		return condition{"accepting", "accepting batches", ""}
	case in.Posting > 0 || len(in.Attempts) > 0:
		return condition{"no answer yet", "tried; no answer yet", ""}
	}
	return condition{"not tried yet", "not tried yet", ""}
}

func classText(class intake.Class) string {
	if words, ok := classes[class]; ok {
		return words
	}
	return clip(string(class))
}

var classes = map[intake.Class]string{
	intake.ClassAccepted:    "accepted",
	intake.ClassRefused:     "refused permanently",
	intake.ClassTooLarge:    "too large; split",
	intake.ClassThrottled:   "throttled",
	intake.ClassUnavailable: "unavailable",
	intake.ClassUnreachable: "unreachable",
	intake.ClassBroken:      "connection broken",
	intake.ClassTimeout:     "timed out",
	intake.ClassCancelled:   "cancelled by this server",
}
