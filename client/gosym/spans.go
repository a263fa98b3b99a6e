package gosym

import (
	"cmp"
	"slices"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// span is a range of source lines, both ends inclusive.
type span struct{ first, last int32 }

// spansOf returns ascending spans of the lines, which may be in any order and repeated.
// It reorders lines.
func spansOf(lines []int32) []span {
	slices.Sort(lines)
	var out []span
	for _, line := range lines {
		if n := len(out); n > 0 && line-out[n-1].last <= 1 {
			out[n-1].last = line
			continue
		}
		out = append(out, span{line, line})
	}
	return out
}

// covers reports whether every line of b is in a. Both are ascending.
func covers(a, b []span) bool {
	for _, s := range b {
		i, _ := slices.BinarySearchFunc(a, s.first, func(x span, line int32) int {
			return cmp.Compare(x.last, line)
		})
		if i == len(a) || a[i].first > s.first || a[i].last < s.last {
			return false
		}
	}
	return true
}

// union returns the union of two ascending lists of spans. It may return a or b itself.
func union(a, b []span) []span {
	switch {
	case len(a) == 0:
		return b
	case covers(a, b):
		return a
	}
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.first, y.first) })
	out := all[:1]
	for _, s := range all[1:] {
		if last := &out[len(out)-1]; s.first <= last.last+1 {
			last.last = max(last.last, s.last)
			continue
		}
		out = append(out, s)
	}
	return out
}

// from returns the spans from line on.
func from(spans []span, line int32) []span {
	i, _ := slices.BinarySearchFunc(spans, line, func(x span, line int32) int {
		return cmp.Compare(x.last, line)
	})
	if i == len(spans) || spans[i].first >= line {
		return spans[i:]
	}
	out := slices.Clone(spans[i:])
	out[0].first = line
	return out
}

// before returns the spans before line.
func before(spans []span, line int32) []span {
	i, _ := slices.BinarySearchFunc(spans, line, func(x span, line int32) int {
		return cmp.Compare(x.first, line)
	})
	if i == 0 || spans[i-1].last < line {
		return spans[:i]
	}
	out := slices.Clone(spans[:i])
	out[i-1].last = line - 1
	return out
}

// bridge joins neighboring spans without a line of code between them. code are the
// ascending spans of all lines with code.
func bridge(spans, code []span) []span {
	if len(spans) < 2 {
		return spans
	}
	out := make([]span, 1, len(spans))
	out[0] = spans[0]
	for _, s := range spans[1:] {
		last := &out[len(out)-1]
		if codeBetween(code, last.last, s.first) {
			out = append(out, s)
			continue
		}
		last.last = s.last
	}
	return out
}

// codeBetween reports whether there is a line of code between after and before, both
// exclusive.
func codeBetween(code []span, after, before int32) bool {
	i, _ := slices.BinarySearchFunc(code, after+1, func(x span, line int32) int {
		return cmp.Compare(x.last, line)
	})
	return i < len(code) && max(code[i].first, after+1) < before
}

// lineRanges returns spans as messages.
func lineRanges(spans []span) []*symdbv1.LineRange {
	if len(spans) == 0 {
		return nil
	}
	all := make([]symdbv1.LineRange, len(spans)) // one allocation
	out := make([]*symdbv1.LineRange, len(spans))
	for i, s := range spans {
		out[i] = &all[i]
		out[i].Start, out[i].End = s.first, s.last
	}
	return out
}
