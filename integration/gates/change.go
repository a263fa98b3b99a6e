package main

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

const (
	// confidence is the confidence level of intervals.
	confidence = 0.90
	// tolerancePercent is the smallest change of a mean that counts.
	tolerancePercent = 5.0
)

// verdict is the assessment of a goal's change.
type verdict string

const (
	better   verdict = "better"
	worse    verdict = "worse"
	noChange verdict = "no change"
)

// change is the difference between the candidate's mean and the base's.
type change struct {
	baseMean, candidateMean float64
	// percent is the change of the mean relative to the base's; lo and hi are the
	// bounds of its confidence interval. They are NaN if the base's mean is zero,
	// and infinite if there is only one replicate.
	percent, lo, hi float64
	verdict         verdict
}

// compare compares paired samples: their nth values were measured one right after
// the other, so that other load on the machine affected both. The confidence interval
// is of the pairs' differences (Student's t).
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

// vague reports whether there may be a change beyond the tolerance without a verdict.
func (c change) vague() bool {
	return c.verdict == noChange && !(c.lo > -tolerancePercent && c.hi < tolerancePercent)
}

func mean(values []float64) float64 { return summarise(values).Center }

func summarise(values []float64) benchmath.Summary {
	sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	return benchmath.AssumeNormal.Summary(sample, confidence)
}
