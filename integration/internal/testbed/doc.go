// Package testbed joins a real client, a real server and a real intake by real
// sockets, for tests that look at scopegate from outside.
//
// Start at [New], which returns a [Bed]; [Options] says how it departs from the
// usual. A [Fault] stands in front of the intake and decides what becomes of a
// POST; a [Source] makes scopes; [Intake.RequireDelivered] compares what was
// sent with what has arrived. What a bed starts it stops when its test ends, and
// it fails the test when something of the server does not stop.
//
// It shares no code with the server: JSON, gzip and multipart are read by the
// standard library. It is for tests only.
package testbed
