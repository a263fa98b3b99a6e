package adminpage

import (
	"strconv"
	"time"
)

// severity is how urgent a problem is.
type severity string

const (
	// failing: uploads don't get through.
	failing severity = "failing"
	// strained: they do, and slower.
	strained severity = "strained"
	// notice: nothing is wrong.
	notice severity = "notice"
)

// problem is what a person shall see at once. The texts don't change while the
// problem lasts, as screen readers say them anew when they do.
type problem struct {
	Severity severity
	Title    string
	Text     string
	Since    time.Time // zero: not known
}

const (
	// failedInRow is how many attempts fail before that is called a problem.
	failedInRow = 3
	// recently is for how long uploads that were refused are a problem.
	recently = time.Minute
	// spoolFullPercent is when the spool is called full.
	spoolFullPercent = 90
)

// problems returns what is wrong, the worst first.
func problems(s Snapshot) []problem {
	var found []problem
	add := func(present bool, p problem) {
		if present {
			found = append(found, p)
		}
	}
	in, mem := s.Intake, s.Memory
	down := in.FailedInRow >= failedInRow || in.State != IntakeOpen && in.State != ""
	add(down, problem{failing, "The intake is failing", lastFailure(in), in.FailingSince})
	add(!down && in.RefusedInRow >= failedInRow, problem{
		failing, "The intake refuses what it gets",
		lastFailure(in) + " Is the API key valid, and the URL right?", in.RefusingSince,
	})
	add(mem.Refusing, problem{failing, "Memory is full", "New uploads are refused, and asked to come back.", time.Time{}})
	add(!mem.Refusing && refusedRecently(s), problem{
		failing, "Uploads are refused", "Within the last minute some found no room and were asked to come back.", time.Time{},
	})
	add(!mem.Refusing && (mem.Short || mem.Waiting > 0), problem{
		strained, "Memory is short", "Uploads that hold much are stopped until there is room.", time.Time{},
	})
	add(percent(mem.SpoolBytes, mem.SpoolLimitBytes) >= spoolFullPercent, problem{
		strained, "The spool is nearly full", "Batches are forwarded before they are full; there are more of them.", time.Time{},
	})
	add(s.Server.Stopping, problem{
		notice, "The server is stopping", "It takes no new uploads; those in flight may end.", time.Time{},
	})
	return found
}

// lastFailure says what the last attempt that failed has met.
func lastFailure(in Intake) string {
	if len(in.Failures) == 0 {
		return "It takes no batches at present."
	}
	return "Last: " + failureText(in.Failures[0]) + "."
}

func failureText(f Failure) string {
	said := classText(f.Class)
	if f.HTTPStatus != 0 {
		said += ", HTTP " + strconv.Itoa(f.HTTPStatus)
	}
	if f.Reason != "" {
		said += ": " + reasonText(f.Reason)
	}
	return said
}

// refusedRecently tells whether uploads were refused for want of room.
func refusedRecently(s Snapshot) bool {
	var seen time.Duration
	for i := len(s.History) - 1; i >= 0 && seen < recently; i-- {
		if s.History[i].RefusedUploads > 0 {
			return true
		}
		seen += s.History[i].Length
	}
	return false
}

// classText is a class of attempts in words.
func classText(class string) string {
	if words, known := classes[class]; known {
		return words
	}
	return text(class)
}

// classCancelled is the class of attempts that the server has given up.
const classCancelled = "cancelled"

var classes = map[string]string{
	"accepted":     "accepted",
	"refused":      "refused for good",
	"too_large":    "too large, to be split",
	"throttled":    "throttled",
	"unavailable":  "not able to take it",
	"unreachable":  "can't be reached",
	"broken":       "connection broke",
	"timeout":      "no answer in time",
	classCancelled: "given up by us",
}
