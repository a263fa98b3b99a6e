package gosym

import (
	"bytes"
	"debug/dwarf"
	"errors"
	"fmt"
)

// kind is the kind of an attribute's value.
type kind uint8

const (
	kindNone      kind = iota
	kindAddress        // an address
	kindConstant       // a constant
	kindOffset         // an offset into another section
	kindRangeList      // an offset into .debug_rnglists
	kindFlag
	kindReference // the offset of an entry
	kindString
	kindBlock // an expression or other bytes
	kindOther
)

// value is an attribute's value: a number, or bytes of a section.
type value struct {
	kind   kind
	number uint64
	bytes  []byte
}

// Forms of attributes (DWARF 5, section 7.5.6), and two of GNU's.
const (
	formAddr        = 0x01
	formBlock2      = 0x03
	formBlock4      = 0x04
	formData2       = 0x05
	formData4       = 0x06
	formData8       = 0x07
	formBlock1      = 0x0a
	formData1       = 0x0b
	formFlag        = 0x0c
	formSdata       = 0x0d
	formRefAddr     = 0x10
	formRef1        = 0x11
	formRef2        = 0x12
	formRef4        = 0x13
	formRef8        = 0x14
	formRefUdata    = 0x15
	formIndirect    = 0x16
	formSecOffset   = 0x17
	formExprloc     = 0x18
	formFlagPresent = 0x19
	formAddrx       = 0x1b
	formRefSup4     = 0x1c
	formData16      = 0x1e
	formRefSig8     = 0x20
	formLoclistx    = 0x22
	formRnglistx    = 0x23
	formRefSup8     = 0x24
	formStrx1       = 0x25
	formStrx2       = 0x26
	formStrx3       = 0x27
	formStrx4       = 0x28
	formAddrx1      = 0x29
	formAddrx2      = 0x2a
	formAddrx3      = 0x2b
	formAddrx4      = 0x2c
	formGnuRefAlt   = 0x1f20
	formGnuStrpAlt  = 0x1f21
)

var errForm = errors.New("unknown form of an attribute")

// value reads the value of an attribute of that form in unit u.
func (d *debugInfo) value(r *locationReader, u *infoUnit, form uint32, implicit int64) (value, error) {
	constant := func(n uint64) (value, error) { return value{kind: kindConstant, number: n}, nil }
	reference := func(n uint64) (value, error) {
		return value{kind: kindReference, number: uint64(uint32(n) + uint32(u.base))}, nil
	}
	block := func(n uint64) (value, error) { return value{kind: kindBlock, bytes: r.take(n)}, nil }
	switch form {
	case formString:
		end := bytes.IndexByte(r.rest, 0)
		if end < 0 {
			r.failed = true
			return value{}, nil
		}
		text := r.rest[:end]
		r.rest = r.rest[end+1:]
		return value{kind: kindString, bytes: text}, nil
	case formUdata:
		return constant(r.uleb())
	case formRefAddr:
		if u.version == 2 {
			return value{kind: kindReference, number: uint64(uint32(r.address()))}, nil
		}
		return value{kind: kindReference, number: uint64(uint32(r.offset(u.wide)))}, nil
	case formRef4:
		return reference(r.uint(4))
	case formExprloc, formBlock:
		return block(r.uleb())
	case formData1:
		return constant(r.uint(1))
	case formData2:
		return constant(r.uint(2))
	case formData4:
		return constant(r.uint(4))
	case formData8:
		return constant(r.uint(8))
	case formSdata:
		return constant(uint64(r.sleb()))
	case formImplicitConst:
		return constant(uint64(implicit))
	case formSecOffset, formGnuRefAlt, formGnuStrpAlt:
		return value{kind: kindOffset, number: r.offset(u.wide)}, nil
	case formAddr:
		return value{kind: kindAddress, number: r.address()}, nil
	case formFlag:
		return value{kind: kindFlag, number: uint64(r.byte())}, nil
	case formFlagPresent:
		return value{kind: kindFlag, number: 1}, nil
	case formBlock1:
		return block(r.uint(1))
	case formBlock2:
		return block(r.uint(2))
	case formBlock4:
		return block(r.uint(4))
	case formData16:
		return block(16)
	case formRef1:
		return reference(r.uint(1))
	case formRef2:
		return reference(r.uint(2))
	case formRef8:
		return reference(r.uint(8))
	case formRefUdata:
		return reference(r.uleb())
	case formRefSig8, formRefSup8:
		return value{kind: kindOther, number: r.uint(8)}, nil
	case formRefSup4:
		return value{kind: kindOther, number: r.uint(4)}, nil
	case formStrpSup:
		return value{kind: kindOther, number: r.offset(u.wide)}, nil
	case formLoclistx:
		return value{kind: kindOther, number: r.uleb()}, nil
	case formStrp:
		return textAt(d.sections.str, r.offset(u.wide))
	case formLineStrp:
		return textAt(d.sections.lineStr, r.offset(u.wide))
	case formIndirect:
		form := r.uleb()
		if form == formIndirect || form == formImplicitConst || form > 1<<16 || r.failed {
			return value{}, errForm
		}
		return d.value(r, u, uint32(form), 0)
	default:
		return d.indexed(r, u, form)
	}
}

// indexed reads a value that is an index into another section.
func (d *debugInfo) indexed(r *locationReader, u *infoUnit, form uint32) (value, error) {
	var index uint64
	switch form {
	case formAddrx, formStrx, formRnglistx:
		index = r.uleb()
	case formAddrx1, formStrx1:
		index = r.uint(1)
	case formAddrx2, formStrx2:
		index = r.uint(2)
	case formAddrx3, formStrx3:
		index = r.uint24()
	case formAddrx4, formStrx4:
		index = r.uint(4)
	default:
		return value{}, errForm
	}
	offsetBytes := uint64(4)
	if u.wide {
		offsetBytes = 8
	}
	switch form {
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4:
		address, err := d.address(u, u.addrBase, index)
		return value{kind: kindAddress, number: address}, err
	case formRnglistx:
		offset, err := d.entryAt(d.sections.rnglists, u, u.rangesBase, index, offsetBytes)
		return value{kind: kindRangeList, number: u.rangesBase + offset}, err
	default:
		offset, err := d.entryAt(d.sections.strOffsets, u, u.stringsBase, index, offsetBytes)
		if err != nil {
			return value{}, err
		}
		return textAt(d.sections.str, offset)
	}
}

// address returns an address in .debug_addr.
func (d *debugInfo) address(u *infoUnit, base, index uint64) (uint64, error) {
	return d.entryAt(d.sections.addr, u, base, index, uint64(u.addrBytes))
}

// entryAt returns an entry of a table of numbers in a section.
func (d *debugInfo) entryAt(section []byte, u *infoUnit, base, index, entryBytes uint64) (uint64, error) {
	r := locationReader{rest: section, order: d.order, addrBytes: u.addrBytes}
	if index > uint64(len(section)) || base > uint64(len(section)) {
		return 0, fmt.Errorf("index %d in a table at %#x: %w", index, base, errDamaged)
	}
	r.take(base + index*entryBytes)
	n := r.uint(int(entryBytes))
	if r.failed {
		return 0, fmt.Errorf("index %d in a table at %#x: %w", index, base, errDamaged)
	}
	return n, nil
}

// maxTextLength bounds a string outside of .debug_info, whose end is looked for again in each
// entry that refers to it.
const maxTextLength = 1 << 20

// textAt returns the string at an offset in a section.
func textAt(section []byte, offset uint64) (value, error) {
	if offset < uint64(len(section)) {
		rest := section[offset:]
		if n := bytes.IndexByte(rest[:min(len(rest), maxTextLength+1)], 0); n >= 0 {
			return value{kind: kindString, bytes: rest[:n]}, nil
		}
		if len(rest) > maxTextLength {
			return value{}, fmt.Errorf("string at %#x: %w: it has more than %d bytes", offset, ErrTooLarge, maxTextLength)
		}
	}
	return value{}, fmt.Errorf("string at %#x: %w", offset, errDamaged)
}

// signed returns the value of a constant or an offset.
func (v value) signed() (int64, bool) {
	return int64(v.number), v.kind == kindConstant || v.kind == kindOffset
}

// reference returns the offset of the entry that the value refers to.
func (v value) reference() (dwarf.Offset, bool) {
	return dwarf.Offset(v.number), v.kind == kindReference
}

// text returns the value of a string, without copying it: it is valid as long as the
// section is.
func (v value) text() string {
	if v.kind != kindString {
		return ""
	}
	return view(v.bytes)
}
