// Package server is scopegate's server: it takes uploads of symbols over gRPC
// and forwards them to an HTTP intake in batches of gzipped JSON.
//
// Start at [New], [Server.Serve] and [Server.Shutdown]; [Config] is what can be
// set. To send symbols, use package client.
//
// # The way of a scope
//
// This package puts the parts together. An upload's whole way is internal/upload, to be
// read from upload.go on. A scope goes through five stages:
//
//  1. Receive (internal/grpcwire, internal/upload). The message's bytes are handed over as
//     they came; no Go value is built. They go back to gRPC once the scope is in the
//     batch.
//  2. Transcode (internal/transcode). A first walk over the bytes checks all that
//     can be wrong with the scope, a second one writes it as JSON.
//  3. Compress (internal/encode). JSON gathers in chunks; a chunk borrows a
//     compressor and becomes deflate blocks of the batch's one gzip member.
//  4. Batch (internal/batch). A batch is sealed when it is full or has been open
//     for too long. The newest scope is held back for the next one, so that the
//     final batch always has a scope.
//  5. Forward (internal/upload, internal/intake). A batch gets its number and travels,
//     again if need be, while the next one fills. When the intake is slow, the server
//     stops reading.
//
// Messages that are compressed on the wire are taken where the program has
// registered compressors with gRPC, which it does by importing package
// client/compression: that table is the whole process's, so it is left to the
// program.
//
// What all stages hold is drawn from one budget (internal/memory): when it is
// short, streams wait, and batches are moved to disk (internal/spool) or forwarded
// early.
//
// Each stream is decided about at its opening (door.go, room.go). Who may upload, and
// where to, says internal/access; what additional intakes get, internal/mirror.
//
// What the server does can be seen in its metrics (metrics.go has all of them), its spans
// (tracing.go) and its log; [Server.ServeAdmin] shows it to an operator (page.go).
package server
