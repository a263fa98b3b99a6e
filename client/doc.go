// Package client uploads the symbol scopes of a program to a scopegate server,
// and goes on where it was when the server, the network or the intake fails.
//
// Start with [Dial], or with [DialAny] where there are several servers. Which
// form to choose depends on where the scopes come from:
//
//   - [Client.UploadScopes], the pull form, for scopes that can be found a second
//     time: in a binary, in a file. It takes a sequence and holds one scope. It
//     resumes by ranging over the sequence again, see [WithoutResume] for one that
//     can't be.
//   - [Uploader], the push form, for scopes that come once: a tracer gets them in
//     callbacks, as classes load, over minutes. It holds, within a bound of bytes,
//     what is not yet accepted, and repeats just that.
//   - [Client.Upload], one stream by hand, for callers that resume by themselves,
//     by what [Error.Progress] says, or not at all.
//
// A scope too large for one message travels as several, split at its children,
// see [WithMaxMessageBytes]. Failures worth another attempt are told from wrong
// input by [ErrUpload], and described by [Error].
//
// The package finds no symbols itself: package client/gosym reads those of a Go
// binary. It keeps nothing on disk: what a process has not delivered when it
// ends is gone with it.
package client
