// Package admin shows an operator over HTTP what the server is doing: metrics, health,
// profiles and a page that works without JavaScript. Start at [NewHandler], and at
// [NewPage] for the page. A [Page] shows a [Snapshot]; problems.go decides what is a
// problem. A [Recorder] remembers what happened lately for it; exact counts are in
// package upload.
//
// A [Guard] refuses requests that other sites' pages make a browser send. There is
// neither TLS nor authentication: listen on a loopback address, or on a network whose
// members may see metrics and health. Everything else is served only to the host
// itself, unless [Config.Open] is set.
package admin
