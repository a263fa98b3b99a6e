package main

import (
	"bytes"
	"fmt"
	"html"
)

// drawPlot draws speed against size, one point a way that compresses.
func drawPlot(t table) []byte {
	return nil
}

var _ = bytes.MinRead
var _ = fmt.Sprint
var _ = html.EscapeString
