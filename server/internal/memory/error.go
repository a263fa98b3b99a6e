package memory

import "fmt"

// OverloadError says which limit has no room for another upload. It may have
// later on.
type OverloadError struct {
	// Caller is whose limit it is; empty: that of all.
	Caller string
	// Group tells that this is a group of callers.
	Group bool
	// Uploads is the limit, where it is one of a number of uploads.
	Uploads int
	// Bytes is the limit, where it is one of bytes.
	Bytes int64
}

func (e *OverloadError) Error() string {
	of := "the server has"
	if e.Caller != "" {
		of = fmt.Sprintf("%q has", e.Caller)
	}
	if e.Uploads > 0 {
		return fmt.Sprintf("%s as many uploads as it may: %d", of, e.Uploads)
	}
	return fmt.Sprintf("%s as much in memory as it may: %d bytes", of, e.Bytes)
}
