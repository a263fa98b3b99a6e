// Package spool is disk space for blocks of bytes that find no room in memory,
// for as long as the process lives. It is neither a queue nor a cache, and
// nothing of it survives a restart.
//
// Start at [Open]. A [Spool] is one file, used as an array of blocks of 16 KiB.
// Where the operating system allows that, the file has no name any more once
// Open has returned, so that its space is free again however the process ends.
//
// The directory should be on a disk: space on a tmpfs is memory. The bytes are
// written as they are handed in, to a file that its owner alone can read.
package spool
