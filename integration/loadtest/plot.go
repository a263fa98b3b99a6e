package main

import (
	"bytes"
	"fmt"
	"html"
)

// ratio is the server's figures relative to the baseline's, in one scenario.
type ratio struct {
	scenario      string
	cpu, peakRSS  float64
	cpuOf, peakOf string // the figures themselves
}

// The plot's frame, in the SVG's units.
const (
	plotWidth           = 860
	plotLeft, plotRight = 230, 780
	plotTop, rowHeight  = 64, 48
	barHeight           = 14
)

// drawPlot draws the ratios as SVG, with two bars for each scenario.
func drawPlot(ratios []ratio) []byte {
	var svg bytes.Buffer
	out := func(format string, args ...any) { fmt.Fprintf(&svg, format+"\n", args...) }
	longest := 1.0
	for _, r := range ratios {
		longest = max(longest, r.cpu, r.peakRSS)
	}
	x := func(v float64) float64 { return plotLeft + v/longest*(plotRight-plotLeft) }
	bottom := plotTop + rowHeight*len(ratios)
	out(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="#222">`,
		plotWidth, bottom+40)
	out(`<rect width="%d" height="%d" fill="#fff"/>`, plotWidth, bottom+40)
	out(`<text x="20" y="24" font-size="15">scopegate, in %% of the baseline server (shorter is better)</text>`)
	out(`<rect x="20" y="36" width="12" height="12" fill="#06c"/><text x="38" y="47">CPU seconds per GB of JSON</text>`)
	out(`<rect x="250" y="36" width="12" height="12" fill="#690"/><text x="268" y="47">peak RSS</text>`)
	for v := 0.0; v <= longest; v += 0.25 {
		out(`<path d="M%.1f %d V%d" stroke="#ddd"/>`, x(v), plotTop-4, bottom)
		out(`<text x="%.1f" y="%d" text-anchor="middle">%.0f%%</text>`, x(v), bottom+18, 100*v)
	}
	for i, r := range ratios {
		y := plotTop + rowHeight*i + 6
		out(`<text x="%d" y="%d" text-anchor="end">%s</text>`, plotLeft-8, y+barHeight+4, html.EscapeString(r.scenario))
		bar := func(y int, color string, v float64, label string) {
			out(`<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, plotLeft, y, x(v)-plotLeft, barHeight, color)
			out(`<text x="%.1f" y="%d" font-size="11">%.0f%% (%s)</text>`,
				x(v)+5, y+barHeight-3, 100*v, html.EscapeString(label))
		}
		bar(y, "#06c", r.cpu, r.cpuOf)
		bar(y+barHeight+2, "#690", r.peakRSS, r.peakOf)
	}
	out(`</svg>`)
	return svg.Bytes()
}
