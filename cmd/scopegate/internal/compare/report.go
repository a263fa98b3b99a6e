package compare

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Report is the result of a comparison.
type Report struct {
	A Counts `json:"a"`
	B Counts `json:"b"`
	// MissingCount is how many scopes and symbols only A has, AddedCount how many only B has.
	// Those inside such a scope do not count. DifferentCount is how many keys differ.
	MissingCount   int `json:"missing_count"`
	AddedCount     int `json:"added_count"`
	DifferentCount int `json:"different_count"`
	// Differences are the first ones, up to [Options.Limit].
	Differences []Difference `json:"differences"`
}

// Equal reports whether there is no difference.
func (r *Report) Equal() bool { return r.Count() == 0 }

// Count returns the number of differences.
func (r *Report) Count() int { return r.MissingCount + r.AddedCount + r.DifferentCount }

// Kind says how a scope or symbol differs.
type Kind string

// The kinds of differences.
const (
	// Missing: only A has it.
	Missing Kind = "missing"
	// Added: only B has it.
	Added Kind = "added"
	// Different: a key of it differs.
	Different Kind = "different"
)

// What is a scope or a symbol.
type What string

// What can differ.
const (
	ScopeKind  What = "scope"
	SymbolKind What = "symbol"
)

// Difference is a difference between two uploads.
type Difference struct {
	Kind Kind `json:"kind"`
	What What `json:"what"`
	// Path leads from the root scope to the scope or symbol. It is empty for the order of the root
	// scopes.
	Path []Step `json:"path"`
	// Key is the place in a scope or symbol that differs. It is empty if the scope does not occur
	// equally often.
	Key string `json:"key,omitempty"`
	// A and B are the two values: as JSON, which may be shortened, or as a description.
	A string `json:"a,omitempty"`
	B string `json:"b,omitempty"`
}

// Step is a scope or symbol on the path to one.
type Step struct {
	// Type is the scope_type or symbol_type.
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
	// Line is the start_line of a scope and the line of a symbol, or 0.
	Line int64 `json:"line,omitempty"`
}

func stepOf(own map[string]any, typeKey, lineKey string) Step {
	var step Step
	step.Type, _ = own[typeKey].(string)
	step.Name, _ = own["name"].(string)
	if line, ok := own[lineKey].(json.Number); ok {
		step.Line, _ = line.Int64()
	}
	return step
}

// withoutLine returns the type and name alone.
func (s Step) withoutLine() Step { return Step{Type: s.Type, Name: s.Name} }

// maxNameBytes bounds how much of a name is printed.
const maxNameBytes = 256

// String returns the type, and the name or else the line. Long ones are shortened.
func (s Step) String() string {
	kind := settings.Shortened(s.Type, maxNameBytes)
	switch {
	case s.Name == "" && s.Line != 0:
		return kind + " at line " + strconv.FormatInt(s.Line, 10)
	case s.Name == "":
		return kind
	}
	return kind + " " + strconv.Quote(settings.Shortened(s.Name, maxNameBytes))
}

// Place returns the path and the key.
func (d *Difference) Place() string {
	steps := make([]string, len(d.Path))
	for i, step := range d.Path {
		steps[i] = step.String()
	}
	place := strings.Join(steps, " > ")
	if d.Key != "" && place != "" {
		place += ": "
	}
	return place + d.Key
}

// String returns the difference as a line.
func (d *Difference) String() string {
	line := fmt.Sprintf("%-9s  %-6s  %s", d.Kind, d.What, d.Place())
	if d.Kind == Different {
		line += fmt.Sprintf(": %s in A, %s in B", d.A, d.B)
	}
	return line
}

func (c *comparer) enter(step Step) { c.path = append(c.path, step) }
func (c *comparer) leave()          { c.path = c.path[:len(c.path)-1] }

// differs adds a scope or symbol that is missing or added.
func (c *comparer) differs(kind Kind, what What, step Step) {
	c.enter(step)
	c.add(Difference{Kind: kind, What: what})
	c.leave()
}

// differ adds a key that differs.
func (c *comparer) differ(what What, key, a, b string) {
	c.add(Difference{Kind: Different, What: what, Key: key, A: a, B: b})
}

func (c *comparer) add(d Difference) {
	switch d.Kind {
	case Missing:
		c.report.MissingCount++
	case Added:
		c.report.AddedCount++
	case Different:
		c.report.DifferentCount++
	}
	if c.Limit == 0 || len(c.report.Differences) < c.Limit {
		d.Path = append([]Step{}, c.path...)
		c.report.Differences = append(c.report.Differences, d)
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return strconv.Itoa(n) + " times"
}
