// Package encode turns JSON into gzip members (RFC 1952) of deflate blocks (RFC
// 1951), with compressors that are shared by all uploads.
//
// Start at [NewPool], which owns the compressors, and at [Member], one gzip
// member in the making. JSON gathers in the member until it makes up a chunk;
// then a compressor is borrowed, primed with the window in front of the chunk,
// run up to a byte border and given back. So a member that waits for input
// holds no compressor, and its chunks still make up one deflate stream.
//
// What a member has made is a [Body], which no longer changes. [Body.File] puts a
// head and a tail around it, and only then it is a gzip member that can be read.
//
// The bytes depend on the JSON, on where one scope ends and the next begins, and
// on the [Settings]; not on when the JSON was handed in, which compressor was
// free or how many there are.
package encode
