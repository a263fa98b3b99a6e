package admin

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Coordinates within a plot. The style sheet sets its size.
const (
	plotWidth  = 300
	plotHeight = 80
	// A plot shows at most maxPlotSamples, and is at least minPlotSamples wide.
	maxPlotSamples = 300
	minPlotSamples = 60
)

// plot shows one value over the last minutes, the newest at the right.
type plot struct {
	Name  string // class for the style sheet
	Title string
	// Now and Most are values in words. Label is the whole plot in words, for screen
	// readers.
	Now, Most, Label string
	// Area, Line and Bad (what failed) are paths. Limit is the height of a line.
	Area, Line, Bad string
	Limit           string
	HasLimit        bool
}

func plots(s Snapshot) []plot {
	var last Sample
	if len(s.History) > 0 {
		last = s.History[len(s.History)-1]
	}
	all := []plot{
		ratePlot(s.History, "received", "Received", func(x Sample) int64 { return x.ReceivedBytes }),
		ratePlot(s.History, "accepted", "Accepted by the intake", func(x Sample) int64 { return x.AcceptedBytes }),
		attemptsPlot(s.History, last),
		latencyPlot(s.History, last),
		memoryPlot(s),
		uploadsPlot(s),
	}
	var length time.Duration
	for _, sample := range s.History {
		length += sample.Length
	}
	for i, p := range all {
		all[i].Label = p.Title + " over the last " + durationText(length.Round(time.Second)) + ": now " + p.Now + ", " + p.Most
	}
	return all
}

func ratePlot(history []Sample, name, title string, bytes func(Sample) int64) plot {
	values := each(history, func(x Sample) float64 { return perSecond(bytes(x), x.Length) })
	p := newPlot(name, title, values, 0)
	p.Now, p.Most = bytesText(0)+"/s", "max "+bytesText(int64(largest(values)))+"/s"
	if len(values) > 0 {
		p.Now = bytesText(int64(values[len(values)-1])) + "/s"
	}
	return p
}

func attemptsPlot(history []Sample, last Sample) plot {
	failed := each(history, func(x Sample) float64 { return float64(x.FailedAttempts) })
	all := each(history, func(x Sample) float64 { return float64(x.FailedAttempts + x.AcceptedAttempts) })
	p := newPlot("attempts", "POSTs to the intake", all, 0)
	p.Bad = area(failed, largest(all))
	p.Now = count(int64(math.Round(perSecond(last.FailedAttempts+last.AcceptedAttempts, last.Length)))) + "/s"
	var failures int64
	for _, x := range history[max(0, len(history)-maxPlotSamples):] {
		failures += x.FailedAttempts
	}
	p.Most = count(failures) + " failed"
	return p
}

func latencyPlot(history []Sample, last Sample) plot {
	values := each(history, func(x Sample) float64 { return x.SlowestAttempt.Seconds() })
	p := newPlot("latency", "Slowest POST", values, 0)
	p.Now, p.Most = noneOr(last.SlowestAttempt), "max "+noneOr(seconds(largest(values)))
	return p
}

func memoryPlot(s Snapshot) plot {
	values := each(s.History, func(x Sample) float64 { return float64(x.DrawnBytes) })
	p := newPlot("memory", "Memory", values, float64(s.Memory.LimitBytes))
	p.Now, p.Most = bytesText(s.Memory.DrawnBytes), bytesText(s.Memory.LimitBytes)+" limit"
	return p
}

func uploadsPlot(s Snapshot) plot {
	values := each(s.History, func(x Sample) float64 { return float64(x.Uploads) })
	p := newPlot("uploads", "Uploads in flight", values, 0)
	p.Now, p.Most = count(int64(s.UploadCount)), "max "+count(int64(largest(values)))
	return p
}

// newPlot draws values from 0 to the largest, or to the limit if it is not 0.
func newPlot(name, title string, values []float64, limit float64) plot {
	top := max(largest(values), limit*1.08)
	p := plot{Name: name, Title: title, Area: area(values, top), Line: line(values, top)}
	if limit > 0 {
		p.HasLimit, p.Limit = true, coordinate(height(limit, top))
	}
	return p
}

func noneOr(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return durationText(d)
}

func each(samples []Sample, value func(Sample) float64) []float64 {
	samples = samples[max(0, len(samples)-maxPlotSamples):]
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = value(s)
	}
	return values
}

func largest(values []float64) float64 { return slices.Max(append(values, 0)) }

// height returns the vertical coordinate of a value; 0 is at the top.
func height(value, top float64) float64 {
	if top <= 0 {
		return plotHeight
	}
	return plotHeight - value/top*(plotHeight-2)
}

// across returns the horizontal coordinate of the ith of n values.
func across(i, n int) string {
	return coordinate(plotWidth - float64(n-1-i)*plotWidth/float64(max(n, minPlotSamples)-1))
}

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

// line returns the path through the values.
func line(values []float64, top float64) string {
	if len(values) < 2 {
		return ""
	}
	var path []byte
	for i, v := range values {
		path = append(path, 'L')
		path = append(path, across(i, len(values))...)
		path = append(path, ' ')
		path = strconv.AppendFloat(path, height(v, top), 'f', 1, 64)
	}
	path[0] = 'M'
	return string(path)
}

// area returns the path around the area below the line.
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
