// Package load is what commands that load a server are made of: the server as a
// process of its own, whose use of the machine is read from /proc (Linux only);
// clients that make many uploads at once; an intake, in this process, that can be
// slow or out of order for a while; and the symbols of a real program as what is
// uploaded.
//
// Start at [Start], [StartIntake] and [Run]. Tests of what the server does, rather
// than of what it costs, take integration/internal/testbed.
package load
