package main

import (
	"errors"
	"strconv"

	"github.com/scopegate/scopegate/server"
)

// compression is the value of the flag for how batches are compressed: a level, or
// [server.ScopeCompression].
type compression int

const scopeCompression = "scope"

// String returns the value as it is written.
func (c compression) String() string {
	if c == server.ScopeCompression {
		return scopeCompression
	}
	return strconv.Itoa(int(c))
}

// UnmarshalText reads a value.
func (c *compression) UnmarshalText(text []byte) error {
	if string(text) == scopeCompression {
		*c = server.ScopeCompression
		return nil
	}
	level, err := strconv.Atoi(string(text))
	if err != nil || level < server.MinCompressionLevel || level > server.MaxCompressionLevel {
		return errors.New("neither scope nor a level from 1 to 9")
	}
	*c = compression(level)
	return nil
}
