// Package load is for commands that load a server. It runs the server as a process and
// reads its CPU time and memory from /proc (Linux only). It also runs clients that make
// many uploads at once, and an intake that can be slow or down for a while. Uploads
// have the symbols of a real program.
//
// Start at [Start], [StartIntake] and [Run]. Tests of what the server does, rather than
// of its costs, use integration/internal/testbed.
package load
