package memory

import "fmt"

// OverloadError says which limit leaves no room for another upload. There may be room
// later.
type OverloadError struct {
	// Name is that of the service or tenant that has reached its limit. If empty, the limit is
	// that of all.
	Name string
	// Tenant reports whether Name is a tenant's.
	Tenant bool
	// Uploads is the limit if it is a number of uploads.
	Uploads int
	// Bytes is the limit if it is a number of bytes.
	Bytes int64
}

func (e *OverloadError) Error() string {
	of := "the server has"
	if e.Name != "" {
		of = fmt.Sprintf("%q has", e.Name)
	}
	if e.Uploads > 0 {
		return fmt.Sprintf("%s as many uploads as it may: %d", of, e.Uploads)
	}
	return fmt.Sprintf("%s as much in memory as it may: %d bytes", of, e.Bytes)
}
