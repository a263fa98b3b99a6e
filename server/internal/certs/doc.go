// Package certs keeps TLS configurations that are built of PEM files, and builds
// them anew when the files change. Start at [Open].
//
// It looks at the files' content, every so often, and not for events of the file
// system: so it does not matter whether a file is written in place, renamed over,
// or reached by a symlink of which a part is swapped, as Kubernetes does it, or
// lies on a file system that has no events.
//
// What can't be used is never put in the place of what can: a certificate without
// its key, one that has expired, half a file. It is logged, and the one before
// stays in use.
package certs
