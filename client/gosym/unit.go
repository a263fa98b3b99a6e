package gosym

import (
	"debug/dwarf"
	"strings"
)

// languageGo is DW_LANG_Go.
const languageGo = 22

// unit is a compile unit of Go code. The linker makes one a package and, apart
// from those, one for the assembly in it.
type unit struct {
	name        string
	entry       *dwarf.Entry
	lowPC       uint64
	addrBase    int64
	addrBytes   int
	hasLoclists bool
}

// beginsUnit reports whether an entry is the first of a unit.
func beginsUnit(e *dwarf.Entry) bool {
	return e.Tag == dwarf.TagCompileUnit || e.Tag == dwarf.TagPartialUnit || e.Tag == dwarf.TagTypeUnit
}

// isGoCode reports whether a unit was compiled from Go: assembly says that its
// language is Go too.
func isGoCode(e *dwarf.Entry) bool {
	language, _ := e.Val(dwarf.AttrLanguage).(int64)
	producer, _ := e.Val(dwarf.AttrProducer).(string)
	return language == languageGo && !strings.Contains(producer, "cmd/asm")
}

func newUnit(e *dwarf.Entry, addrBytes int) unit {
	u := unit{entry: e, addrBytes: addrBytes}
	u.name, _ = e.Val(dwarf.AttrName).(string)
	u.lowPC, _ = e.Val(dwarf.AttrLowpc).(uint64)
	u.addrBase, u.hasLoclists = e.Val(dwarf.AttrAddrBase).(int64)
	return u
}
