package adminpage

import (
	"strconv"
	"time"
)

// The plots' own coordinates; the style sheet says how large they are shown.
const (
	plotWidth  = 300
	plotHeight = 80
	// plotSamples is how many samples fit into a plot; while there are fewer than
	// leastSamples, it is drawn as if there were so many.
	plotSamples  = 300
	leastSamples = 60
)

// plot is one small picture of the last minutes: the newest is at the right.
type plot struct {
	Name  string // a class for the style sheet
	Title string
	// Now and Most are values in words, and Label all of it, for who can't see it.
	Now, Most, Label string
	// Area and Line are paths; a Limit is where a line of its own is drawn.
	Area, Line string
	// Bad is the path of what failed, if any did.
	Bad      string
	Limit    string
	HasLimit bool
}

func plots(s Snapshot) []plot {
	var last Sample
	if len(s.History) > 0 {
		last = s.History[len(s.History)-1]
	}
	var length time.Duration
	for _, sample := range s.History {
		length += sample.Length
	}
	span := "over the last " + durationText(length.Round(time.Second))
	rate := func(name, title string, value func(Sample) float64) plot {
		values := each(s.History, value)
		p := newPlot(name, title, values, 0)
		p.Now, p.Most = bytesText(int64(value(last)))+"/s", bytesText(int64(largest(values)))+"/s"
		return p
	}
	received := rate("received", "Received", func(x Sample) float64 { return perSecond(x.ReceivedBytes, x.Length) })
	accepted := rate("accepted", "Accepted by the intake", func(x Sample) float64 { return perSecond(x.AcceptedBytes, x.Length) })

	memory := newPlot("memory", "Memory", each(s.History, func(x Sample) float64 { return float64(x.DrawnBytes) }),
		float64(s.Memory.LimitBytes))
	memory.Now, memory.Most = bytesText(s.Memory.DrawnBytes), bytesText(s.Memory.LimitBytes)+" limit"

	slowest := each(s.History, func(x Sample) float64 { return x.SlowestAttempt.Seconds() })
	failed := each(s.History, func(x Sample) float64 { return float64(x.FailedAttempts) })
	posts := each(s.History, func(x Sample) float64 { return float64(x.FailedAttempts + x.AcceptedAttempts) })
	attempts := newPlot("attempts", "POSTs to the intake", posts, 0)
	attempts.Bad = area(failed, largest(posts))
	attempts.Now = count(int64(perSecond(last.FailedAttempts+last.AcceptedAttempts, last.Length))) + "/s"
	attempts.Most = count(int64(sum(failed))) + " failed"

	latency := newPlot("latency", "Slowest POST", slowest, 0)
	latency.Now, latency.Most = durationText(last.SlowestAttempt), durationText(seconds(largest(slowest)))

	uploads := each(s.History, func(x Sample) float64 { return float64(x.Uploads) })
	inFlight := newPlot("uploads", "Uploads in flight", uploads, 0)
	inFlight.Now, inFlight.Most = count(int64(s.UploadCount)), count(int64(largest(uploads)))

	all := []plot{received, accepted, attempts, latency, memory, inFlight}
	for i, p := range all {
		most := ", most "
		if p.Name == "memory" || p.Name == "attempts" {
			most = ", "
		}
		all[i].Label = p.Title + " " + span + ": now " + p.Now + most + p.Most
		if p.Name != "memory" && p.Name != "attempts" {
			all[i].Most = "max " + p.Most
		}
	}
	return all
}

// newPlot draws values from 0 to the largest, or to the limit where there is one.
func newPlot(name, title string, values []float64, limit float64) plot {
	top := max(largest(values), limit*1.08)
	p := plot{Name: name, Title: title, Area: area(values, top), Line: line(values, top)}
	if limit > 0 {
		p.HasLimit, p.Limit = true, coordinate(height(limit, top))
	}
	return p
}

func each(samples []Sample, value func(Sample) float64) []float64 {
	samples = samples[max(0, len(samples)-plotSamples):]
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return values
}

func largest(values []float64) (top float64) {
	for _, v := range values {
		top = max(top, v)
	}
	return top
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// height is where a value is drawn; 0 is at the top.
func height(value, top float64) float64 {
	if top <= 0 {
		return plotHeight
	}
	return plotHeight - value/top*(plotHeight-2)
}

// across is where the ith of so many values is drawn.
func across(i, of int) string {
	return coordinate(plotWidth - float64(of-1-i)*plotWidth/float64(max(of, leastSamples)-1))
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// line is the path through the values, the last one at the right edge.
func line(values []float64, top float64) string {
	if len(values) < 2 {
		return ""
	}
	var path []byte
	for i, v := range values {
		command := byte('L')
		if i == 0 {
			command = 'M'
		}
		path = append(path, command)
		path = append(path, across(i, len(values))...)
		path = append(path, ' ')
		path = strconv.AppendFloat(path, height(v, top), 'f', 1, 64)
	}
	return string(path)
}

// area is the path around what is below the line.
func area(values []float64, top float64) string {
	through := line(values, top)
	if through == "" || largest(values) == 0 {
		return ""
	}
	return through + "V" + strconv.Itoa(plotHeight) + "H" + across(0, len(values)) + "Z"
}

func perSecond(n int64, length time.Duration) float64 {
	if length <= 0 {
		return 0
	}
	return float64(n) / length.Seconds()
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
