package main

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

const (
	// confidence is that of the intervals of changes.
	confidence = 0.90
	// tolerancePercent is the smallest change of a mean that counts.
	tolerancePercent = 5.0
)

// verdict says what a change of a goal is worth.
type verdict string

const (
	better   verdict = "better"
	worse    verdict = "worse"
	noChange verdict = "no change"
)

// change is how the candidate's mean differs from the base's.
type change struct {
	baseMean, candidateMean float64
	// percent is the change of the mean, of the base's mean; lo and hi are the
	// bounds of its confidence interval. They are NaN where the base's mean is
	// zero, and infinite where there is only one replicate.
	percent, lo, hi float64
	verdict         verdict
}

// compare compares samples whose nth values were measured one right after the
// other, so that what else the machine did has met both. The mean of these pairs'
// differences is the difference of the means, and its confidence interval is that
// of a sample with one value a pair (Student's t).
func compare(base, candidate []float64, moreIsBetter bool) change {
	c := change{baseMean: mean(base), candidateMean: mean(candidate), verdict: noChange}
	differences := make([]float64, len(base))
	for i := range base {
		differences[i] = 100 * (candidate[i] - base[i]) / c.baseMean
	}
	summary := summarise(differences)
	c.percent, c.lo, c.hi = summary.Center, summary.Lo, summary.Hi
	if c.baseMean == 0 {
		c.percent, c.lo, c.hi = math.NaN(), math.NaN(), math.NaN()
	}
	switch {
	case c.lo > 0 && c.percent >= tolerancePercent:
		c.verdict = worse
		if moreIsBetter {
			c.verdict = better
		}
	case c.hi < 0 && c.percent <= -tolerancePercent:
		c.verdict = better
		if moreIsBetter {
			c.verdict = worse
		}
	}
	return c
}

// vague tells that a change beyond the tolerance may have gone unnoticed.
func (c change) vague() bool {
	return c.verdict == noChange && !(c.lo > -tolerancePercent && c.hi < tolerancePercent)
}

func mean(values []float64) float64 { return summarise(values).Center }

func summarise(values []float64) benchmath.Summary {
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	return benchmath.AssumeNormal.Summary(sample, confidence)
}
