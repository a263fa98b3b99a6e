// Package access decides who may upload and on what terms: their limits, and the intake
// that their batches go to. Start at [New].
//
// A stream is authenticated and enters when it is opened; what it is then granted it
// leaves when it ends. The tenants' file may change meanwhile, and with it the routes to
// intakes; a route stays until the last stream that uses it has ended.
package access
