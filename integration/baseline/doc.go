// Package baseline is what scopegate is compared with: the design of
// datadog-agent's pull request 50438, "stream JSON into gzip, chunk by
// compressed size", put behind the same gRPC API. Messages are decoded into Go
// values, written by encoding/json into compress/gzip at its default level, and
// a batch ends at 2 MiB of compressed bytes.
//
// It exists for benchmarks and load tests. Nothing that serves imports it.
package baseline
