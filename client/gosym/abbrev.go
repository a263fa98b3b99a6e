package gosym

import (
	"debug/dwarf"
	"fmt"
)

// abbrevTable has the abbreviations of a unit by code.
type abbrevTable struct {
	// dense has the codes from 1 on, as compilers number them, sparse those after a gap.
	dense  []abbrev
	sparse map[uint64]abbrev
}

// abbrev describes entries: their tag, and the form of each attribute.
type abbrev struct {
	tag      dwarf.Tag
	children bool
	fields   []field
}

type field struct {
	attr, form uint32
	// implicit is the value for formImplicitConst.
	implicit int64
}

// find returns the abbreviation with that code, or nil.
func (t *abbrevTable) find(code uint64) *abbrev {
	if i := code - 1; i < uint64(len(t.dense)) {
		return &t.dense[i]
	}
	if a, ok := t.sparse[code]; ok {
		return &a
	}
	return nil
}

// abbrevs returns the table at an offset in .debug_abbrev. Of two abbreviations with the
// same code the last one counts.
func (d *debugInfo) abbrevs(offset uint64) (*abbrevTable, error) {
	if t, ok := d.tables[offset]; ok {
		return t, nil
	}
	r := locationReader{rest: d.sections.abbrev[min(offset, uint64(len(d.sections.abbrev))):]}
	t := &abbrevTable{sparse: map[uint64]abbrev{}}
	var fields []field
	for {
		code := uint64(uint32(r.uleb()))
		if code == 0 {
			break
		}
		a := abbrev{tag: dwarf.Tag(r.uleb()), children: r.byte() != 0}
		fields = fields[:0]
		for {
			f := field{attr: uint32(r.uleb()), form: uint32(r.uleb())}
			if f.attr == 0 && f.form == 0 {
				break
			}
			if f.form == formImplicitConst {
				f.implicit = r.sleb()
			}
			fields = append(fields, f)
		}
		a.fields = append(a.fields, fields...)
		switch last := uint64(len(t.dense)); {
		case code <= last:
			t.dense[code-1] = a
		case code == last+1:
			t.dense = append(t.dense, a)
		default:
			t.sparse[code] = a
		}
	}
	if r.failed {
		return nil, fmt.Errorf("abbreviations at %#x: %w", offset, errDamaged)
	}
	d.tables[offset] = t
	return t, nil
}
