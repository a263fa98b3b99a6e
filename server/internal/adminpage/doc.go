// Package adminpage shows a person what the server is doing: one page, that works
// without JavaScript, and with a little of it stays current by itself.
//
// Start at [New]. What is shown is a [Snapshot], plain values that the owner of the
// page takes; problems.go says what of it is called a problem. All strings in a
// snapshot may come from clients or the intake and are not trusted.
//
// The page asks nobody who they are: serve it where only operators get to.
package adminpage
