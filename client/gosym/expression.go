package gosym

// Operations of a location expression (DWARF 5, section 7.7.1) that the Go
// compiler writes.
const (
	opDeref        = 0x06
	opReg0         = 0x50
	opReg31        = 0x6f
	opRegx         = 0x90
	opFbreg        = 0x91
	opPiece        = 0x93
	opCallFrameCFA = 0x9c
)

// complete reports whether a location expression locates all of a value: there is
// a location in it, and in front of each piece, if it has pieces. One with an
// operation that the Go compiler does not write is taken for incomplete.
func complete(expression []byte) bool {
	r := locationReader{rest: expression}
	located, pieces := false, 0
	for len(r.rest) > 0 {
		switch op := r.byte(); {
		case op == opPiece:
			if size := r.uleb(); size > 0 && !located {
				return false
			}
			located = false
			pieces++
		case opReg0 <= op && op <= opReg31, op == opCallFrameCFA:
			located = true
		case op == opRegx, op == opFbreg:
			r.uleb()
			located = true
		case op == opDeref:
		default:
			return false
		}
	}
	return !r.failed && (located || pieces > 0)
}
