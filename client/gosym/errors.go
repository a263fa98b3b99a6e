package gosym

import "errors"

var (
	// ErrFormat tells that a file is no executable in a format that is read
	// here: ELF, Mach-O for one architecture, or PE.
	ErrFormat = errors.New("not an ELF, Mach-O or PE executable")

	// ErrNotGo tells that an executable has neither Go build information nor
	// Go code in its DWARF.
	ErrNotGo = errors.New("not a Go program")

	// ErrNoDWARF tells that a Go binary was stripped of its debug information.
	// Its text says how to keep it.
	ErrNoDWARF = errors.New("the binary has no DWARF debug information: " +
		"build it with `go build`, without -ldflags=-w or -s and without strip " +
		"(`go run` and `go test` leave DWARF out)")

	// ErrTooLarge reports debug information that would take far more memory than
	// its file makes plausible, as in a file made to exhaust memory.
	ErrTooLarge = errors.New("the debug information is too large for its file")

	// ErrClosed tells that a Binary was used after its Close.
	ErrClosed = errors.New("binary is closed")
)
