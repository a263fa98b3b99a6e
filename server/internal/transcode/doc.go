// Package transcode turns a scope from protobuf wire bytes into JSON, without
// building a Go value in between.
//
// Start at [Compile], which makes a [Plan] from the descriptor of the root
// message: the JSON keys, their order and what is written for an absent field
// all follow from the proto file. [Plan.Check] walks a message once and finds
// all that can be wrong with it; the [Checked] that it returns then writes JSON
// that can't fail, piece by piece, into a [Sink], so that a large scope never
// stands in memory as JSON.
//
// What is written differs from protobuf's own JSON mapping: keys are the proto
// names, an absent field is left out, zero, null or refused as its declaration
// says, and numbers stay numbers. For anything but symbols use protojson.
package transcode
