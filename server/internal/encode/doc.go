// Package encode compresses JSON into gzip members (RFC 1952) of deflate blocks (RFC 1951).
// All uploads share its compressors.
//
// Start at [NewPool], which owns the compressors, and at [Member], which collects JSON.
// When it has a chunk, it borrows a compressor, primes it with the window before the chunk,
// compresses the chunk, flushes to a byte boundary and returns the compressor. So a member
// that waits for input holds no compressor, and yet its chunks are one deflate stream.
//
// A finished member is a [Body], which does not change. [Body.File] adds head and tail to
// make it a readable gzip member.
//
// The bytes depend on the JSON, on the boundaries of scopes, and on the [Settings], but not
// on timing or on the number of compressors.
package encode
