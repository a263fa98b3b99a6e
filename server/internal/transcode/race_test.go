//go:build race

package transcode_test

// raceEnabled tells that the race detector is on, which allocates.
const raceEnabled = true
