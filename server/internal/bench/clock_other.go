//go:build !unix

package main

import "time"

var started = time.Now()

// cpuTime returns the time since the start: there is no processor time here.
func cpuTime() time.Duration { return time.Since(started) }
