package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// report is the outcome of a run.
type report struct {
	// base and candidate are revisions. base is "" if there is none.
	base, candidate string
	replicates      int
	bounds          []boundRow
	changes         []changeRow
	notes           []string
}

// boundRow is the outcome of a bound.
type boundRow struct {
	experiment string
	bound      bound
	// passed is the number of replicates in which it held, worst the largest value.
	passed int
	worst  float64
}

// changeRow is the change of a goal.
type changeRow struct {
	experiment string
	goal       goal
	change     change
}

// judge checks the candidate's bounds and, if there is a base, compares goals.
func (r run) judge(all []results) report {
	rep := report{candidate: r.candidate.revision, replicates: r.replicates}
	if r.base != nil {
		rep.base = r.base.revision
	}
	for _, found := range all {
		for _, b := range found.experiment.bounds {
			row := boundRow{experiment: found.experiment.name, bound: b, worst: math.Inf(-1)}
			for _, value := range values(found.candidate, b.check.value) {
				row.worst = max(row.worst, value)
				if value <= b.limit {
					row.passed++
				}
			}
			rep.bounds = append(rep.bounds, row)
		}
		if r.base == nil {
			continue
		}
		for _, g := range goals() {
			rep.changes = append(rep.changes, changeRow{
				experiment: found.experiment.name, goal: g,
				change: compare(values(found.base, g.value), values(found.candidate, g.value), g.moreIsBetter),
			})
		}
	}
	rep.notes = r.notes(rep.changes)
	return rep
}

func (r run) notes(changes []changeRow) []string {
	var notes []string
	for _, e := range r.experiments {
		for _, v := range r.variants() {
			if _, lacks := v.supported(e.args); len(lacks) > 0 {
				notes = append(notes, fmt.Sprintf("%s: the %s has no %s, and was run without it.",
					e.name, v.name, strings.Join(lacks, ", ")))
			}
		}
	}
	var vague int
	for _, row := range changes {
		if row.change.vague() {
			vague++
		}
	}
	if vague > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d intervals reach beyond ±%.0f%% without a verdict: "+
			"they may hide a change that counts. More replicates, or a less busy machine, narrow them.",
			vague, len(changes), tolerancePercent))
	}
	return notes
}

func (r run) variants() []variant {
	if r.base == nil {
		return []variant{r.candidate}
	}
	return []variant{*r.base, r.candidate}
}

// failures returns how many bounds did not hold in all replicates, and how many
// goals are worse.
func (r report) failures() (brokenBounds, worseGoals int) {
	for _, row := range r.bounds {
		if !row.holds(r.replicates) {
			brokenBounds++
		}
	}
	for _, row := range r.changes {
		if row.change.verdict == worse {
			worseGoals++
		}
	}
	return brokenBounds, worseGoals
}

func (b boundRow) holds(replicates int) bool { return b.passed == replicates }

// write writes the report as Markdown.
func (r report) write(w io.Writer) {
	brokenBounds, worseGoals := r.failures()
	outcome := "passed"
	if brokenBounds+worseGoals > 0 {
		outcome = "FAILED"
	}
	fmt.Fprintf(w, "# Quality gates: %s\n\n", outcome)
	fmt.Fprintf(w, "Candidate `%s`: %d of %d bounds are broken.\n", r.candidate, brokenBounds, len(r.bounds))
	if r.base != "" {
		fmt.Fprintf(w, "Against base `%s`: %d of %d goals are worse.\n", r.base, worseGoals, len(r.changes))
	}
	fmt.Fprintf(w, "Replicates: %d.\n", r.replicates)
	fmt.Fprint(w, "\n## Bounds\n\n")
	table(w, "lllrrrl", []string{"gate", "experiment", "bound", "replicates", "worst", "limit", "why"}, r.boundCells())
	if r.base != "" {
		fmt.Fprint(w, "\n## Changes\n\n")
		fmt.Fprintf(w, "Change of the mean with its %.0f%% confidence interval; a change counts from ±%.0f%%.\n\n",
			100*confidence, tolerancePercent)
		columns := []string{"verdict", "experiment", "goal", "base", "candidate", "Δ mean %", "interval"}
		table(w, "lllrrrr", columns, r.changeCells())
	}
	if len(r.notes) > 0 {
		fmt.Fprint(w, "\n## Notes\n\n")
	}
	for _, note := range r.notes {
		fmt.Fprintf(w, "- %s\n", note)
	}
}

func (r report) boundCells() [][]string {
	var cells [][]string
	for _, row := range r.bounds {
		gate := "held"
		if !row.holds(r.replicates) {
			gate = "**BROKEN**"
		}
		cells = append(cells, []string{
			gate, row.experiment, row.bound.check.name,
			fmt.Sprintf("%d/%d", row.passed, r.replicates),
			quantity(row.worst, row.bound.check.unit), quantity(row.bound.limit, row.bound.check.unit), row.bound.reason,
		})
	}
	return cells
}

func (r report) changeCells() [][]string {
	var cells [][]string
	for _, row := range r.changes {
		c := row.change
		word := string(c.verdict)
		if c.verdict == worse {
			word = "**WORSE**"
		}
		cells = append(cells, []string{
			word, row.experiment, row.goal.name,
			quantity(c.baseMean, row.goal.unit), quantity(c.candidateMean, row.goal.unit),
			fmt.Sprintf("%+.2f", c.percent), fmt.Sprintf("[%+.2f, %+.2f]", c.lo, c.hi),
		})
	}
	return cells
}

// table writes a table in Markdown. The alignment of each column is a letter, l or r.
func table(w io.Writer, alignment string, columns []string, rows [][]string) {
	var rules []string
	for _, side := range alignment {
		rules = append(rules, map[rune]string{'l': "---", 'r': "---:"}[side])
	}
	for _, row := range slices.Concat([][]string{columns, rules}, rows) {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// quantity formats whole numbers without decimals, and others with at least three digits.
func quantity(value float64, unit string) string {
	text := fmt.Sprintf("%.2f", value)
	if value == math.Trunc(value) || value >= 100 {
		text = fmt.Sprintf("%.0f", value)
	}
	return strings.TrimSpace(text + " " + unit)
}
