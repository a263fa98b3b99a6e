// Package integration holds the black-box tests: a client, a server and an
// intake, joined by real gRPC and real HTTP. They know of the server what
// docs/protocol.md and docs/intake.md promise, and nothing else.
//
// Start at internal/testbed, which starts the three and checks what has arrived.
package integration
