package admin

import (
	"html/template"
	"reflect"
	"time"
)

// view is a snapshot with the values that the templates derive from it.
type view struct {
	Snapshot

	State         problem // the worst, for the page's head
	Problems      []problem
	Tiles         []tile
	Plots         []plot
	MemoryPercent int64
	IntakeState   string
	Latency       string
	InRow         string // empty if the last attempt succeeded
	WithTenants   bool
}

// tile shows one number.
type tile struct {
	Name, Title, Value, Note string
	Severity                 severity
}

// shortIDRunes is how much of an upload's ID a table shows.
const shortIDRunes = 8

// functions are the functions of the templates.
var functions = template.FuncMap{
	"bytes":    bytesText,
	"class":    classText,
	"clip":     clip,
	"clock":    func(t time.Time) string { return t.UTC().Format(clockLayout) },
	"count":    func(n any) string { return count(reflect.ValueOf(n).Int()) },
	"duration": durationText,
	"failure":  failureText,
	"minute":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	"reason":   clipReason,
	"rfc3339":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"short":    func(id string) string { return visible(id, shortIDRunes) },
}

func newView(s Snapshot) view {
	in := s.Intake
	v := view{
		Snapshot:      s,
		State:         problem{Severity: "well", Title: "All is well"},
		Problems:      problems(s),
		Tiles:         tiles(s),
		Plots:         plots(s),
		MemoryPercent: percent(s.Memory.DrawnBytes, s.Memory.LimitBytes),
		IntakeState:   conditionOf(in, s.Taken).Long,
		Latency:       "no answers yet",
	}
	if len(v.Problems) > 0 {
		v.State = v.Problems[0]
	}
	if l := in.Latency; l.Count > 0 {
		v.Latency = durationText(l.Median) + " median, " + durationText(l.P90) + " at the 90th percentile, " +
			durationText(l.Max) + " maximum, of the last " + count(int64(l.Count)) + " answers"
	}
	switch {
	case in.FailedInRow == 1:
		v.InRow = "The last attempt failed."
	case in.FailedInRow > 1:
		v.InRow = "The last " + count(in.FailedInRow) + " attempts failed."
	case in.RefusedInRow > 0:
		v.InRow = "Batches refused in a row: " + count(in.RefusedInRow) + "."
	}
	for _, u := range s.Uploads {
		v.WithTenants = v.WithTenants || u.Tenant != ""
	}
	return v
}

// Percent returns the outcome's share of all attempts.
func (v view) Percent(o Outcome) int64 {
	var all int64
	for _, o := range v.Intake.Attempts {
		all += o.Count
	}
	return percent(o.Count, all)
}

// rateSamples is the number of samples that a rate averages.
const rateSamples = 5

// rates returns the current scopes, and bytes of protobuf, JSON and gzip, per second.
func rates(history []Sample) (scopes, received, made, accepted float64) {
	var length time.Duration
	var sums Sample
	for _, s := range history[max(0, len(history)-rateSamples):] {
		length += s.Length
		sums.Scopes += s.Scopes
		sums.ReceivedBytes += s.ReceivedBytes
		sums.JSONBytes += s.JSONBytes
		sums.AcceptedBytes += s.AcceptedBytes
	}
	return perSecond(sums.Scopes, length), perSecond(sums.ReceivedBytes, length),
		perSecond(sums.JSONBytes, length), perSecond(sums.AcceptedBytes, length)
}

func tiles(s Snapshot) []tile {
	scopes, received, made, accepted := rates(s.History)
	mem, in := s.Memory, s.Intake
	memory := tile{
		Name: "memory", Title: "Memory", Value: count(percent(mem.DrawnBytes, mem.LimitBytes)) + "\u00a0%",
		Note: bytesText(mem.DrawnBytes) + " of " + bytesText(mem.LimitBytes) + ", peak " + bytesText(mem.PeakBytes),
	}
	if mem.SpoolLimitBytes > 0 {
		memory.Note += "; spool " + bytesText(mem.SpoolBytes) + " of " + bytesText(mem.SpoolLimitBytes)
	}
	switch {
	case mem.Refusing:
		memory.Severity = failing
	case mem.Short || mem.Waiting > 0:
		memory.Severity = strained
	}
	uploads := tile{
		Name: "uploads", Title: "Uploads in flight", Value: count(int64(s.UploadCount)), Note: "none waiting for memory",
	}
	if mem.Waiting > 0 {
		uploads.Note, uploads.Severity = count(int64(mem.Waiting))+" waiting for memory", strained
	}
	return []tile{
		uploads,
		{
			Name: "received", Title: "Received", Value: bytesText(int64(received)) + "/s",
			Note: count(int64(scopes)) + " scopes a second",
		},
		{
			Name: "accepted", Title: "Accepted", Value: bytesText(int64(accepted)) + "/s",
			Note: "as gzip; " + bytesText(int64(made)) + "/s of JSON",
		},
		intakeTile(in, s.Taken),
		memory,
	}
}

func intakeTile(in Intake, now time.Time) tile {
	condition := conditionOf(in, now)
	t := tile{Name: "intake", Title: "Intake", Value: condition.Short, Note: clip(in.Host), Severity: condition.Severity}
	if !in.RetryAt.IsZero() {
		t.Note += ", next attempt at " + in.RetryAt.UTC().Format(clockLayout)
	}
	return t
}
