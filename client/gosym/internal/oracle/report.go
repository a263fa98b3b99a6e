package oracle

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Kinds of checks, in the order of the table.
const (
	Packages   = "packages"
	Functions  = "functions"
	Args       = "args"
	Results    = "results"
	Locals     = "locals"
	Blocks     = "blocks"
	Types      = "types"
	Structs    = "structs"
	Fields     = "fields"
	Available  = "available lines"
	Injectible = "injectible lines"
)

// Verdicts.
const (
	False    = "false"
	Repeated = "repeated"
	Missing  = "missing"
)

var kinds = []string{Packages, Functions, Args, Results, Locals, Blocks, Types, Structs, Fields, Available, Injectible}

// Reasons for which nothing may be missing.
const (
	InDWARF = "the debug information has it"
	HasCode = "has code"
)

// maxSamples bounds the findings kept for each reason.
const maxSamples = 20

// finding is a kind of finding, which the report counts.
type finding struct{ kind, verdict, reason string }

// A Report counts checks and findings.
type Report struct {
	checked map[string]int
	found   map[finding]int
	samples map[finding][]string
}

func newReport() *Report {
	return &Report{checked: map[string]int{}, found: map[finding]int{}, samples: map[finding][]string{}}
}

func (r *Report) add(kind, verdict, reason, format string, args ...any) {
	f := finding{kind, verdict, reason}
	r.found[f]++
	if len(r.samples[f]) < maxSamples {
		r.samples[f] = append(r.samples[f], fmt.Sprintf(format, args...))
	}
}

// Checked returns how many of a kind were compared.
func (r *Report) Checked(kind string) int { return r.checked[kind] }

// Count returns the number of findings of a kind and verdict.
func (r *Report) Count(kind, verdict string) int {
	n := 0
	for f, count := range r.found {
		if f.kind == kind && f.verdict == verdict {
			n += count
		}
	}
	return n
}

// isWrong reports whether there must be no such finding.
func (f finding) isWrong() bool {
	return f.verdict != Missing || f.reason == InDWARF || f.reason == HasCode
}

// Wrong returns the number of findings that are false, repeated, or missing without
// a valid reason.
func (r *Report) Wrong() int {
	n := 0
	for f, count := range r.found {
		if f.isWrong() {
			n += count
		}
	}
	return n
}

// Table writes a table by kind, followed by the reasons.
func (r *Report) Table(w io.Writer) {
	fmt.Fprintf(w, "| kind | checked | false | repeated | missing |\n|---|---|---|---|---|\n")
	for _, kind := range kinds {
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d |\n",
			kind, r.checked[kind], r.Count(kind, False), r.Count(kind, Repeated), r.Count(kind, Missing))
	}
	fmt.Fprintln(w)
	for _, f := range r.sorted() {
		fmt.Fprintf(w, "%s, %s: %d %s\n", f.kind, f.verdict, r.found[f], f.reason)
	}
}

// Wrongs writes some of the findings that Wrong counts, by reason.
func (r *Report) Wrongs(w io.Writer) {
	for _, f := range r.sorted() {
		if !f.isWrong() {
			continue
		}
		fmt.Fprintf(w, "\n%s, %s: %s\n", f.kind, f.verdict, f.reason)
		for _, s := range r.samples[f] {
			fmt.Fprintf(w, "    %s\n", s)
		}
	}
}

func (r *Report) sorted() []finding {
	return slices.SortedFunc(maps.Keys(r.found), func(a, b finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(kinds, a.kind), slices.Index(kinds, b.kind)),
			cmp.Compare(a.verdict, b.verdict),
			cmp.Compare(r.found[b], r.found[a]),
			strings.Compare(a.reason, b.reason),
		)
	})
}
