// Package interop tests that tracers in other languages can upload. It runs producers in
// Python, Node.js, Ruby, Java and C++, which walk real code and use only scopegate's
// proto files, against a server and a development intake. It compares what the intake
// received with what each producer recorded before sending.
//
// `make interop` runs it, after installing and building the producers; `go test` alone
// skips it. Start at interop_test.go. Each producer is a directory here, and an example
// that docs/tracers.md refers to. To measure the server, see integration/loadtest.
package interop
