// Package interop proves that a tracer in any language can upload: it runs a
// producer in each of Python, Node.js, Ruby, Java and C++, which walks real code
// and knows nothing of scopegate but its proto files, against one server and one
// development intake, and compares what arrived with what each producer wrote
// down by itself before it sent it.
//
// `make interop` runs it, after it has installed and built what the producers
// need; `go test` alone skips it. Start at interop_test.go. A producer is a
// directory here, and the example that docs/tracers.md points to. It is not for
// measuring the server: see integration/loadtest.
package interop
