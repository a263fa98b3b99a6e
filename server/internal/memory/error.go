package memory

import "fmt"

// OverloadError says which limit leaves no room for another upload. There may be room
// later.
type OverloadError struct {
	// Caller is the caller or group that has reached its limit. If empty, the limit is
	// that of all.
	Caller string
	// Group reports whether Caller is a group.
	Group bool
	// Uploads is the limit if it is a number of uploads.
	Uploads int
	// Bytes is the limit if it is a number of bytes.
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
