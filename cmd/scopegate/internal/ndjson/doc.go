// Package ndjson reads scopes from newline-delimited JSON: one root scope a line,
// as the intake receives them (docs/protocol.md).
//
// Start with [Scopes], or with [Decode] for a single scope. What is read is
// checked strictly: a key that is not known, missing or given twice, a value of
// another type, an integer that is out of range. Only language_specifics may
// have keys of their own, which go to its open map.
//
// It is no general JSON decoder, and does not read the envelope of a batch.
package ndjson
