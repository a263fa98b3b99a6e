// Package spool keeps blocks of bytes on disk that find no room in memory. It is neither
// a queue nor a cache, and nothing survives a restart.
//
// Start at [Open]. A [Spool] is one file, used as an array of blocks of 16 KiB. If the
// operating system allows it, the file has no name, so that its space is freed however
// the process ends. Only its owner can read it. The directory should not be on a tmpfs,
// which is memory.
package spool
