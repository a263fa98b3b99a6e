package gosym

import (
	"debug/dwarf"
	"fmt"
)

// abbrevTable has the abbreviations of a unit by code.
type abbrevTable struct {
	// dense has the codes from 0 on, sparse the others.
	dense  []abbrev
	sparse map[uint64]abbrev
}

// abbrev describes entries: their tag, and the form of each attribute.
type abbrev struct {
	tag      dwarf.Tag
	known    bool
	children bool
	fields   []field
}

type field struct {
	attr, form uint32
	// implicit is the value for formImplicitConst.
	implicit int64
}

// maxDenseCode is the greatest code in dense. Compilers number from 1.
const maxDenseCode = 1 << 10

// find returns the abbreviation with that code, or nil.
func (t *abbrevTable) find(code uint64) *abbrev {
	if code < uint64(len(t.dense)) {
		if a := &t.dense[code]; a.known {
			return a
		}
		return nil
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
		a := abbrev{tag: dwarf.Tag(r.uleb()), children: r.byte() != 0, known: true}
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
		switch {
		case code > maxDenseCode:
			t.sparse[code] = a
		default:
			for uint64(len(t.dense)) <= code {
				t.dense = append(t.dense, abbrev{})
			}
			t.dense[code] = a
		}
	}
	if r.failed {
		return nil, fmt.Errorf("abbreviations at %#x: %w", offset, errDamaged)
	}
	d.tables[offset] = t
	return t, nil
}
