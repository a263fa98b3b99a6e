// Package tenant knows who may upload, and on what terms: the tenants of a file,
// their tokens and certificates, and where their batches go.
//
// Start at [Read], which makes a [Table] of a file, and at [Table.ByToken] and
// [Table.ByCertificate], which find whose credential it is. A [Watcher] reads the
// file again when it changes.
//
// Tokens are in the file as SHA-256 hashes (FIPS 180-4). A token has 130 random
// bits, so nobody finds it by trying, however fast the hash is. A slow one, such
// as bcrypt, is for passwords that people choose; here it would only let anybody
// who sends wrong tokens keep the server's cores busy.
//
// [Owners] remembers who began which upload.
//
// It does not speak gRPC; package server does.
package tenant
