// Package uploading is what uploads have besides their flags: the scopes of a binary or
// of NDJSON, progress, and an account of what came of it. Start at [Open].
package uploading
