package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
)

// The plot's frame, in the SVG's units.
const (
	plotWidth, plotHeight = 860, 560
	plotLeft, plotRight   = 70, 840
	plotTop, plotBottom   = 40, 490
)

// drawPlot draws speed against size as SVG: a point for each way that
// compresses. Those of other chunks and windows than the default are small and
// have no name, as they lie close to it.
func drawPlot(t table) []byte {
	var fastest, largest, smallest float64
	for _, r := range t.rows {
		if r.compresses {
			fastest = max(fastest, r.ratio)
			largest = max(largest, r.bytesVersusStdlib)
			smallest = min(smallest, r.bytesVersusStdlib)
		}
	}
	stepX, stepY := roundStep((largest-smallest)/6), roundStep(fastest/6)
	left, right := stepX*math.Floor(smallest/stepX-0.2), stepX*math.Ceil(largest/stepX+0.2)
	top := stepY * math.Ceil(fastest/stepY+0.2)
	x := func(v float64) float64 { return plotLeft + (v-left)/(right-left)*(plotRight-plotLeft) }
	y := func(v float64) float64 { return plotBottom - v/top*(plotBottom-plotTop) }

	var svg bytes.Buffer
	out := func(format string, args ...any) { fmt.Fprintf(&svg, format+"\n", args...) }
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#222">`,
		plotWidth, plotHeight)
	out(`<rect width="%d" height="%d" fill="#fff"/>`, plotWidth, plotHeight)
	out(`<text x="%d" y="24" font-size="15">Speed against size: %s, one core</text>`, plotLeft, html.EscapeString(t.corpus))
	for v := left; v <= right+stepX/2; v += stepX {
		out(`<path d="M%.1f %d V%d" stroke="#ddd"/>`, x(v), plotTop, plotBottom)
		out(`<text x="%.1f" y="%d" text-anchor="middle">%+.0f%%</text>`, x(v), plotBottom+18, 100*v)
	}
	for v := 0.0; v <= top+stepY/2; v += stepY {
		out(`<path d="M%d %.1f H%d" stroke="#ddd"/>`, plotLeft, y(v), plotRight)
		out(`<text x="%d" y="%.1f" text-anchor="end">%.0fx</text>`, plotLeft-8, y(v)+4, v)
	}
	out(`<text x="%d" y="%d" text-anchor="middle">bytes, against compress/gzip -6 (further left is smaller)</text>`,
		(plotLeft+plotRight)/2, plotBottom+40)
	out(`<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">speed, as a multiple of the baseline&#8217;s</text>`,
		(plotTop+plotBottom)/2)
	out(`<text x="%d" y="%d" font-size="11" fill="#777">small points: other chunks and windows at the same level</text>`,
		plotLeft, plotBottom+60)
	for _, r := range t.rows {
		if !r.compresses {
			continue
		}
		color := "#666"
		switch {
		case r.name == baselineName:
			color = "#c22"
		case r.ours():
			color = "#06c"
		}
		px, py := x(r.bytesVersusStdlib), y(r.ratio)
		if r.label == "" {
			out(`<circle cx="%.1f" cy="%.1f" r="2" fill="%s"/>`, px, py, color)
			continue
		}
		out(`<circle cx="%.1f" cy="%.1f" r="5" fill="%s"/>`, px, py, color)
		switch {
		case r.name == baselineName:
			py += 12 // compress/gzip alone is close above it
		case strings.HasSuffix(r.name, "(default)"):
			py += 12 // level 5 is close to the right
		}
		at, anchor := px+10, "start"
		if px > plotRight-150 {
			at, anchor = px-10, "end"
		}
		out(`<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`, at, py+4.5, anchor, color, html.EscapeString(r.label))
	}
	out(`</svg>`)
	return svg.Bytes()
}

// roundStep returns the next larger 1, 2 or 5 times a power of ten.
func roundStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}
