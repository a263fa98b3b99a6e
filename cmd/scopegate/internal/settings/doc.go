// Package settings is how the command's flags take their values: from the command line,
// from environment variables, from a configuration file, or from the defaults of the
// server's own configuration. Start at [Sources].
//
// A flag of serve names in its field tag the field of [server.Config] that it sets; its
// default, and its name in an error about that field, follow from that. A value is shown
// only if it has the form that its place asks for, because people put keys in the wrong
// place.
package settings
