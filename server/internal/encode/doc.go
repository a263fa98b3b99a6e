// Package encode compresses JSON into gzip members (RFC 1952) of deflate blocks (RFC 1951).
// All uploads share its compressors.
//
// Start at [NewPool], which owns the compressors, and at [Member], which collects JSON.
// When it has a chunk, it borrows a compressor, has it compress the chunk with a view of the
// window before it, up to a byte boundary, and gives it back. So a member that waits for input
// holds no compressor, and yet its chunks are one deflate stream.
//
// The compressor for scopes is package deflate, which wants to know where values begin and end;
// those for levels are klauspost's.
//
// A finished member is a [Body], which does not change. [Body.File] adds head and tail to
// make it a readable gzip member.
//
// The bytes depend on the JSON, on the boundaries of scopes, and on the [Settings], but not
// on timing, on the number of compressors, or on whether a member is packed or parked.
package encode
