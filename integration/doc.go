// Package integration has the black-box tests: a client, a server and an intake,
// connected by real gRPC and HTTP. The tests assume only what docs/protocol.md and
// docs/intake.md promise.
//
// Start at internal/testbed, which starts the three and checks what the intake received.
package integration
