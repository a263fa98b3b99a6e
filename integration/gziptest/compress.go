// Package gziptest compresses what tests send.
package gziptest

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"
)

// Compress returns a text as a gzip file.
func Compress(tb testing.TB, text string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
