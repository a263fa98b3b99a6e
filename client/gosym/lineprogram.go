package gosym

import (
	"encoding/binary"
	"errors"
)

// lineProgram is the program of a line table, which makes its rows (DWARF 5, section
// 6.2.5).
type lineProgram struct {
	code  []byte
	order binary.ByteOrder
	// addrBytes is the length of an address.
	addrBytes         int
	minLength, maxOps int
	statement         bool
	lineBase          int
	lineRange         int
	// operands are the numbers of operands of the standard opcodes.
	operands []byte
}

// Standard opcodes, and extended ones, which follow a zero and a length.
const (
	lnsCopy           = 0x01
	lnsAdvancePC      = 0x02
	lnsAdvanceLine    = 0x03
	lnsSetFile        = 0x04
	lnsSetColumn      = 0x05
	lnsNegateStmt     = 0x06
	lnsConstAddPC     = 0x08
	lnsFixedAdvancePC = 0x09

	lneEndSequence = 0x01
	lneSetAddress  = 0x02
)

// newLineProgram reads the header of a line table, which package dwarf has checked.
func newLineProgram(table []byte, order binary.ByteOrder, addrBytes int) (*lineProgram, error) {
	p := &lineProgram{order: order, addrBytes: addrBytes, maxOps: 1}
	r := fieldReader{locationReader{rest: table, order: order}}
	length, wide := r.unitLength()
	r.rest = r.rest[:min(length, uint64(len(r.rest)))]
	version := r.uint(2)
	if version >= 5 {
		p.addrBytes = int(r.byte())
		r.byte() // length of a segment selector
	}
	headerBytes := r.offset(wide)
	if r.failed || headerBytes > uint64(len(r.rest)) {
		return nil, errDamaged
	}
	p.code = r.rest[headerBytes:]
	p.minLength = int(r.byte())
	if version >= 4 {
		p.maxOps = int(r.byte())
	}
	p.statement = r.byte() != 0
	p.lineBase, p.lineRange = int(int8(r.byte())), int(r.byte())
	p.operands = r.take(uint64(max(r.byte(), 1)) - 1)
	if r.failed || p.maxOps == 0 || p.lineRange == 0 {
		return nil, errDamaged
	}
	return p, nil
}

var errOpcode = errors.New("malformed opcode")

// sequence runs the program from an offset, where a sequence begins, to the sequence's end,
// adds its rows to t, and returns the offset after it. The program may end before the
// sequence does.
func (p *lineProgram) sequence(offset int, t *lineRows) (next int, err error) {
	r := locationReader{rest: p.code[offset:], order: p.order, addrBytes: p.addrBytes}
	var pc uint64
	line, file, op, statement := 1, 1, 0, p.statement
	base := len(p.operands) + 1
	advance := func(by int) {
		op += by
		pc += uint64(p.minLength * (op / p.maxOps))
		op %= p.maxOps
	}
	for step := 1; len(r.rest) > 0 && !r.failed; step++ {
		if step%workPerCheck == 0 {
			if err := t.mayGrow(); err != nil {
				return 0, err
			}
		}
		opcode := int(r.rest[0])
		r.rest = r.rest[1:]
		if opcode >= base {
			adjusted := opcode - base
			if p.maxOps == 1 {
				pc += uint64(p.minLength * (adjusted / p.lineRange))
			} else {
				advance(adjusted / p.lineRange)
			}
			line += p.lineBase + adjusted%p.lineRange
			t.add(pc, line, file, statement)
			continue
		}
		switch opcode {
		case 0:
			body := locationReader{rest: r.take(r.uleb()), order: p.order, addrBytes: p.addrBytes}
			switch body.byte() {
			case lneEndSequence:
				if r.failed {
					return 0, errOpcode
				}
				t.end(pc)
				return len(p.code) - len(r.rest), nil
			case lneSetAddress:
				pc = body.address()
			}
			r.failed = r.failed || body.failed
		case lnsCopy:
			t.add(pc, line, file, statement)
		case lnsAdvancePC:
			advance(int(r.uleb()))
		case lnsAdvanceLine:
			line += int(r.sleb())
		case lnsSetFile:
			file = int(r.uleb())
		case lnsSetColumn:
			r.uleb()
		case lnsNegateStmt:
			statement = !statement
		case lnsConstAddPC:
			advance((255 - base) / p.lineRange)
		case lnsFixedAdvancePC:
			pc += r.uint(2)
		default:
			for range p.operands[opcode-1] {
				r.uleb()
			}
		}
	}
	if r.failed {
		return 0, errOpcode
	}
	return len(p.code), nil
}
