// Package verify checks that what an intake received is what a client sent.
//
// Start with [Upload]. It reads each batch with the standard library alone,
// checks the envelope and the event around the scopes, and compares the scopes
// one by one with those sent, of which split ones are followed through their
// parts. At most one part, and the scope it belongs to, is in memory.
//
// Messages are in the words of someone who looks for a bug in the server or the
// client; use server/devintake to check batches alone.
package verify
