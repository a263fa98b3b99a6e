// Package baseline implements the design that scopegate is compared with:
// datadog-agent's pull request 50438, "stream JSON into gzip, chunk by compressed
// size", behind the same gRPC API. It decodes messages into Go values and writes them
// with encoding/json into compress/gzip at its default level. A batch ends at 2 MiB of
// compressed bytes.
//
// It is for benchmarks and load tests only.
package baseline
