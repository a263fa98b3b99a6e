// Package ndjson reads scopes from newline-delimited JSON: one root scope a line,
// as docs/ndjson.md describes them.
//
// Start with [Scopes], or with [Decode] for a single scope. What is read is
// checked strictly: a key that is not known or given twice, a value of another
// type, an integer that is out of range. But what a message of the API may leave out
// may be left out here. Only language_specifics may have keys of their own, which go
// to its open map.
//
// It is no general JSON decoder, and does not read the envelope of a batch.
package ndjson
