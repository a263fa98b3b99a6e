//go:build !unix

package main

import "time"

var started = time.Now()

// cpuTime returns the time since the start, because processor time is not available.
func cpuTime() time.Duration { return time.Since(started) }
