//go:build race

package integration_test

// slowness is how many times longer everything takes under the race detector.
const slowness = 10
