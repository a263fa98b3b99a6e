package admin

import "time"

// view is a snapshot in words, for the templates.
type view struct {
	Version    string
	Uptime     string
	Started    moment
	StartedDay string // Started with the day
	Taken      moment
	State      problem // the worst, for the page's head
	Problems   []problemView
	Tiles      []tile
	Plots      []plot
	Memory     memoryView
	Intake     intakeView

	Uploads      []uploadView
	UploadCount  string
	UploadsShown string // empty if all are
	WithTenants  bool
	Finished     []finishedView
}

// moment is a time for people and for programs.
type moment struct{ Clock, Machine string }

type problemView struct {
	Severity, Title, Text string
	Since                 *moment
}

// tile shows one number.
type tile struct {
	Name, Title, Value, Note string
	Severity                 severity
}

type memoryView struct {
	Percent int64
}

type intakeView struct {
	Host, State string
	Outcomes    []outcomeView
	Failures    []failureView
	Latency     string
	InRow       string // empty if the last attempt succeeded
}

type outcomeView struct {
	Words, Count string
	Good         bool
	Percent      int64
}

type failureView struct {
	At, Since          moment
	Words, Batch, Took string
	Times              string // empty if once
}

type labelView struct{ ID, Short, Service, Version, Language, Tenant string }

type uploadView struct {
	labelView
	Began                                       moment
	Age, State                                  string
	Stuck                                       bool
	Scopes, Received, JSON, Gzip, Held, Batches string
}

type finishedView struct {
	labelView
	Ended                               moment
	Took, Code, Reason, Detail          string
	Good                                bool
	Scopes, Accepted, JSON, Gzip, Count string
}

func newView(s Snapshot) view {
	v := view{
		Version: clip(s.Server.Version),
		Uptime:  durationText(s.Taken.Sub(s.Server.Started)),
		Started: at(s.Server.Started), StartedDay: s.Server.Started.UTC().Format("2006-01-02 15:04 UTC"),
		Taken:  at(s.Taken),
		State:  problem{Severity: "well", Title: "All is well"},
		Tiles:  tiles(s),
		Plots:  plots(s),
		Memory: memoryView{Percent: percent(s.Memory.DrawnBytes, s.Memory.LimitBytes)},
		Intake: newIntakeView(s),

		UploadCount: count(int64(s.UploadCount)),
	}
	for i, p := range problems(s) {
		if i == 0 {
			v.State = p
		}
		shown := problemView{Severity: string(p.Severity), Title: p.Title, Text: p.Text}
		if !p.Since.IsZero() {
			since := at(p.Since)
			shown.Since = &since
		}
		v.Problems = append(v.Problems, shown)
	}
	if s.UploadCount > len(s.Uploads) {
		v.UploadsShown = count(int64(len(s.Uploads)))
	}
	for _, u := range s.Uploads {
		v.WithTenants = v.WithTenants || u.Tenant != ""
		v.Uploads = append(v.Uploads, newUploadView(u, s.Taken))
	}
	for _, f := range s.Finished {
		v.Finished = append(v.Finished, newFinishedView(f))
	}
	return v
}

func at(t time.Time) moment { return moment{clockTime(t), machineTime(t)} }

func newIntakeView(s Snapshot) intakeView {
	in := s.Intake
	v := intakeView{Host: clip(in.Host), State: conditionOf(in).Long, Latency: "no answers yet"}
	if l := in.Latency; l.Count > 0 {
		v.Latency = durationText(l.Median) + " median, " + durationText(l.P90) + " at the 90th percentile, " +
			durationText(l.Max) + " at most, of the last " + count(int64(l.Count))
	}
	switch {
	case in.FailedInRow == 1:
		v.InRow = "The last attempt has failed."
	case in.FailedInRow > 1:
		v.InRow = "The last " + count(in.FailedInRow) + " attempts have failed."
	case in.RefusedInRow > 0:
		v.InRow = "Batches refused in a row: " + count(in.RefusedInRow) + "."
	}
	var all int64
	for _, o := range in.Attempts {
		all += o.Count
	}
	for _, o := range in.Attempts {
		v.Outcomes = append(v.Outcomes, outcomeView{classText(o.Class), count(o.Count), o.Good, percent(o.Count, all)})
	}
	for _, f := range in.Failures {
		shown := failureView{
			At: at(f.At), Since: at(f.Since), Words: failureText(f), Batch: count(int64(f.BatchNum)), Took: durationText(f.Took),
		}
		if f.Count > 1 {
			shown.Times = count(f.Count)
		}
		v.Failures = append(v.Failures, shown)
	}
	return v
}

// shortIDRunes is how much of an upload's ID a table shows.
const shortIDRunes = 8

func newLabelView(l Label) labelView {
	return labelView{
		ID: clip(l.UploadID), Short: visible(l.UploadID, shortIDRunes), Service: clip(l.Service), Version: clip(l.Version),
		Language: clip(l.Language), Tenant: clip(l.Tenant),
	}
}

func newUploadView(u Upload, now time.Time) uploadView {
	return uploadView{
		labelView: newLabelView(u.Label),
		Began:     at(u.Began), Age: durationText(now.Sub(u.Began)), State: clip(u.State), Stuck: u.Stuck,
		Scopes: count(u.Scopes), Received: bytesText(u.ReceivedBytes), JSON: bytesText(u.JSONBytes),
		Gzip: bytesText(u.GzipBytes), Held: bytesText(u.HeldBytes),
		Batches: count(int64(u.BatchNum)) + ", " + count(int64(u.AcceptedBatches)) + " accepted",
	}
}

func newFinishedView(f Finished) finishedView {
	return finishedView{
		labelView: newLabelView(f.Label),
		Ended:     at(f.Ended), Took: durationText(f.Took), Code: clip(f.Code), Reason: clip(f.Reason),
		Detail: clipReason(f.Detail), Good: f.Good,
		Scopes: count(f.Scopes), Accepted: count(f.AcceptedScopes), JSON: bytesText(f.JSONBytes),
		Gzip: bytesText(f.GzipBytes), Count: count(int64(f.Batches)),
	}
}

// rateSamples is the number of samples that a rate is the mean of.
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
		Name: "uploads", Title: "Uploads in flight", Value: count(int64(s.UploadCount)), Note: "none waits for memory",
	}
	if mem.Waiting > 0 {
		uploads.Note, uploads.Severity = count(int64(mem.Waiting))+" wait for memory", strained
	}
	return []tile{
		uploads,
		{
			Name: "received", Title: "Received", Value: bytesText(int64(received)) + "/s",
			Note: count(int64(scopes)) + " scopes a second",
		},
		{
			Name: "accepted", Title: "Accepted", Value: bytesText(int64(accepted)) + "/s",
			Note: "as gzip; JSON made: " + bytesText(int64(made)) + "/s",
		},
		intakeTile(in),
		memory,
	}
}

func intakeTile(in Intake) tile {
	condition := conditionOf(in)
	t := tile{Name: "intake", Title: "Intake", Value: condition.Short, Note: clip(in.Host), Severity: condition.Severity}
	if !in.RetryAt.IsZero() {
		t.Note += ", tried again at " + clockTime(in.RetryAt)
	}
	return t
}
