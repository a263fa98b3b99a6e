package gosym

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// guarded calls f. It returns an error if a page of the temporary file can't be read: the
// goroutine panics there, which would end the process.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			fault, ok := p.(interface {
				error
				Addr() uintptr
			})
			if !ok {
				panic(p)
			}
			err = fmt.Errorf("%w: %w", errUnreadable, fault)
		}
	}()
	return f()
}

var errUnreadable = errors.New("the temporary file can't be read")
