// Package server implements scopegate's server. It receives uploads of symbols over
// gRPC and forwards them to an HTTP intake in batches of gzipped JSON.
//
// Start at [New], [Server.Serve] and [Server.Shutdown]; [Config] holds the settings. To
// send symbols, use package client.
//
// # From a message to a batch
//
// This package wires the parts together. To follow an upload, read
// internal/upload/upload.go. A scope passes through five stages:
//
//  1. Receive (internal/grpcwire, internal/upload). The message's bytes are read from
//     gRPC's stream; no Go struct is built. They return to gRPC's pool once the scope is
//     in the batch.
//  2. Transcode (internal/transcode). A first walk over the bytes checks all that
//     can be wrong with the scope, a second one writes it as JSON.
//  3. Compress (internal/encode, internal/deflate). JSON gathers in chunks; a chunk
//     borrows a compressor and becomes deflate blocks of the batch's one gzip member.
//  4. Batch (internal/batch). A batch is sealed when it is full or too old. The newest
//     scope is held back, so that the final batch always has a scope.
//  5. Forward (internal/upload, internal/intake). A sealed batch gets its number and is
//     posted, with retries, while the next one fills. When the intake is slow, the
//     server stops reading.
//
// Messages compressed on the wire are accepted if the program imports package
// client/compression. gRPC's table of compressors belongs to the whole process, so that
// choice is the program's.
//
// All stages draw their memory from one budget (internal/memory). When it runs short,
// streams wait, and batches are moved to disk (internal/spool) or forwarded early.
//
// A stream is admitted or refused when it opens (door.go, room.go). internal/access
// decides who may upload and to which intake. internal/mirror feeds additional intakes.
//
// To observe the server, see its metrics (metrics.go), spans (tracing.go) and log;
// [Server.ServeAdmin] shows them to an operator (page.go).
package server
