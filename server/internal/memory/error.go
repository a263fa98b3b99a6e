package memory

import (
	"fmt"
	"strconv"
)

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
	name := "the server"
	switch {
	case e.Tenant:
		name = "tenant " + strconv.Quote(e.Name)
	case e.Name != "":
		name = "service " + strconv.Quote(e.Name)
	}
	if e.Uploads > 0 {
		return fmt.Sprintf("%s has reached its upload limit of %d", name, e.Uploads)
	}
	return fmt.Sprintf("%s has reached its memory limit of %d bytes", name, e.Bytes)
}
