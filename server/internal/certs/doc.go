// Package certs builds TLS configurations from PEM files, and rebuilds them when the files
// change. Start at [Open].
//
// It compares the content of the files at intervals instead of watching for file system
// events. So files may be written in place, renamed over, reached by symlinks that are
// swapped, as Kubernetes does, or be on a file system without events.
//
// Invalid files never replace working ones: a certificate without its key, an expired one,
// half a file. The failure is logged, and the previous files stay in use.
package certs
