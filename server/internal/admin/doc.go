// Package admin is what an operator sees over HTTP: metrics, health, profiles and
// a page. Start at [New].
//
// What it shows is for the operator alone, so a [Guard] stands in front: it knows
// what a browser can be made to ask for by pages of others. It has neither TLS nor
// passwords: it belongs on a loopback address, or on a network whose members may
// see metrics and health; the rest is for the host itself ([Config.Open]).
package admin
