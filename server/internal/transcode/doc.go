// Package transcode converts scopes from protobuf wire bytes to JSON without building Go
// values.
//
// Start at [Compile], which compiles the descriptor of the root message to a [Plan]: the
// proto file determines the keys, their order and the value of absent fields. [Plan.Check]
// walks a message once and finds all errors. Its result, a [Checked], then writes the JSON in
// pieces to a [Sink] and can't fail, so a large scope is never in memory as JSON.
//
// The JSON differs from protobuf's own mapping: keys are proto names, absent fields are
// omitted, zero, null or refused as declared, and numbers are numbers. Use protojson for
// anything but symbols.
package transcode
