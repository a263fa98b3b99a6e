// Package devintake is an intake to develop and test against: an
// [http.Handler] that checks every batch strictly, stores what it accepted and
// shows it.
//
// Start at [New]; an [Intake] is mounted on any HTTP server. A batch is one
// POST, to any path, of a multipart/form-data body with two parts: the gzipped
// envelope and the event. What breaks the contract is refused with 400 and a
// JSON body that says why, and leaves nothing behind:
//
//	{"status":400,"path":"/symdb/v1/input","reason":"file: scopes[3].symbols[0].type: the key is missing"}
//
// 405 answers a method other than POST, 409 a batch number that is taken by
// other bytes, 413 what is over a size limit, 500 a store that can't write.
// Everything else is accepted with 202.
//
// What can be told only from several batches is never a reason to refuse one,
// because batches may arrive late: holes, batches above the final one, more
// than one final and metadata that differs are derived from what is stored,
// each time it is looked at. See [Violation] and the Complete field of
// [Upload].
//
// GET /uploads lists the uploads, GET /uploads/{id} shows one with its batches,
// GET /uploads/{id}/batches/{n} gives a batch's gzip as it came.
//
// The package is written from the protocol alone and shares no code with the
// server it checks. It is not for production: it keeps an entry for every batch
// it ever accepted, knows no authentication, and does not sync what it writes.
// It sets no timeouts either; those belong to the http.Server it runs in.
package devintake
