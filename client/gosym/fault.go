package gosym

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// guarded calls f. If a page of the temporary file can't be read, it returns an error: the
// goroutine panics there, and the process would end.
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
