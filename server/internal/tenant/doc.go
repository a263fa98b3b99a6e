// Package tenant reads the tenants file: who may upload, with which tokens and
// certificates, on what terms, and to which intake.
//
// Start at [Read], which returns a [Table], and at [Table.ByToken] and
// [Table.ByCertificate], which find the tenant of a credential. A [Watcher] rereads the
// file when it changes. [Owners] remembers which tenant owns which upload.
//
// The file has SHA-256 hashes of tokens (FIPS 180-4). A token has 130 random bits, too
// many to guess however fast the hash is. A slow hash such as bcrypt is for passwords;
// here it would let wrong tokens keep the cores busy.
package tenant
