// Package devintake is an intake for development and tests: an [http.Handler] that checks
// every batch, and stores and shows those that it accepts.
//
// Start at [New]. A batch is one POST, to any path, of a multipart/form-data body with two
// parts: the gzipped envelope and the event. An invalid batch is not stored. The answer is 400
// with the reason as JSON:
//
//	{"status":400,"path":"/symdb/v1/input","reason":"file: scopes[3].symbols[0].type: missing"}
//
// It is 405 for a method other than POST, 409 for a batch number stored with other bytes, 413
// for a batch over a size limit, and 500 if the store can't write. A valid batch gets 202.
//
// [Options.Lenient] accepts what today's uploaders send: the event part first, null, empty lists and
// more. In both modes the intake lists what it accepts but does not expect: see [DeviationKind].
//
// Batches may arrive late, so one is never refused because of others. Holes, batches after the
// final one, several final ones and differing metadata are computed from the stored batches
// when they are shown. See [Violation] and Upload.Complete.
//
// GET /uploads lists the uploads, GET /uploads/{id} shows one with its batches, and GET
// /uploads/{id}/batches/{n} returns the file part of a batch.
//
// The package is written from the protocol alone and shares no code with the server. It is not
// for production: it never forgets a batch, has no authentication, and does not sync its files.
// Timeouts are up to the http.Server.
package devintake
