package main

import (
	"bytes"
	"fmt"
	"html"
)

// The plot's frame, in the SVG's units.
const (
	plotWidth, plotHeight = 900, 560
	plotLeft, plotRight   = 70, 640
	plotTop, plotBottom   = 30, 500
)

// drawPlot draws speed against size as SVG: a numbered point for each way that
// compresses, and a legend.
func drawPlot(t table) []byte {
	var fastest, largest, smallest float64
	for _, r := range t.rows {
		if r.compresses {
			fastest = max(fastest, r.megabytesSecond)
			largest = max(largest, r.bytesVersusStdlib)
			smallest = min(smallest, r.bytesVersusStdlib)
		}
	}
	fastest *= 1.1
	span := (largest - smallest) * 1.1

	var svg bytes.Buffer
	out := func(format string, args ...any) { fmt.Fprintf(&svg, format+"\n", args...) }
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`,
		plotWidth, plotHeight)
	out(`<rect width="%d" height="%d" fill="#fff"/>`, plotWidth, plotHeight)
	out(`<text x="%d" y="18" font-size="14">%s</text>`, plotLeft, html.EscapeString(t.corpus))
	const ticks = 5
	for i := range ticks + 1 {
		part := float64(i) / ticks
		x := plotLeft + part*(plotRight-plotLeft)
		y := plotBottom - part*(plotBottom-plotTop)
		out(`<path d="M%.1f %d V%d M%d %.1f H%d" stroke="#ddd"/>`, x, plotTop, plotBottom, plotLeft, y, plotRight)
		out(`<text x="%.1f" y="%d" text-anchor="middle">%+.0f%%</text>`, x, plotBottom+18, 100*(smallest+part*span))
		out(`<text x="%d" y="%.1f" text-anchor="end">%.0f</text>`, plotLeft-8, y+4, part*fastest)
	}
	out(`<text x="%d" y="%d" text-anchor="middle">bytes, against compress/gzip -6</text>`, (plotLeft+plotRight)/2, plotBottom+40)
	out(`<text transform="translate(20 %d) rotate(-90)" text-anchor="middle">MB/s of JSON per core</text>`,
		(plotTop+plotBottom)/2)
	n := 0
	for _, r := range t.rows {
		if !r.compresses {
			continue
		}
		n++
		color := "#777"
		switch {
		case r.name == baselineName:
			color = "#c22"
		case r.ours():
			color = "#06c"
		}
		x := plotLeft + (r.bytesVersusStdlib-smallest)/span*(plotRight-plotLeft)
		y := plotBottom - r.megabytesSecond/fastest*(plotBottom-plotTop)
		out(`<circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, x, y, color)
		out(`<text x="%.1f" y="%.1f" fill="%s">%d</text>`, x+6, y-4, color, n)
		out(`<text x="%d" y="%d" fill="%s" font-size="10">%d %s</text>`,
			plotRight+15, plotTop+14*n, color, n, html.EscapeString(r.short()))
	}
	out(`</svg>`)
	return svg.Bytes()
}
