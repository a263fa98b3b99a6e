package gosym

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// sections are the debug sections of a small program, made by hand.
type sections struct {
	abbrev, info, line, lists, addr, str []byte
}

// Codes of the abbreviations in abbreviations.
const (
	abUnit = iota + 1
	abAbstract
	abAbstractArg
	abConcrete
	abArg
	abLocal
	abBlock
	abInlined
	abBase
	abStruct
	abMember
	abSharedType
	abSharedMember
	abSharedLocal
)

// abbreviations are, for each code: tag, whether it has children, and pairs of
// attribute and form.
var abbreviations = [][]uint64{
	{abUnit, 0x11, 1, 0x03, 0x08, 0x13, 0x0b, 0x10, 0x17, 0x11, 0x01, 0x73, 0x17},
	{abAbstract, 0x2e, 1, 0x03, 0x08, 0x20, 0x0b, 0x3b, 0x0b},
	{abAbstractArg, 0x05, 0, 0x03, 0x08, 0x49, 0x13},
	{abConcrete, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x0b, 0x3a, 0x0b, 0x3b, 0x0b},
	{abArg, 0x05, 0, 0x31, 0x13, 0x02, 0x18},
	{abLocal, 0x34, 0, 0x03, 0x08, 0x3b, 0x0b, 0x49, 0x13, 0x02, 0x17},
	{abBlock, 0x0b, 1, 0x11, 0x01, 0x12, 0x0b},
	{abInlined, 0x1d, 1, 0x31, 0x13, 0x11, 0x01, 0x12, 0x0b},
	{abBase, 0x24, 0, 0x03, 0x08},
	{abStruct, 0x13, 1, 0x03, 0x08, 0x2900, 0x0b},
	{abMember, 0x0d, 0, 0x03, 0x08, 0x49, 0x13},
	// with a name in .debug_str
	{abSharedType, 0x13, 1, 0x03, 0x0e, 0x2900, 0x0b},
	{abSharedMember, 0x0d, 0, 0x03, 0x0e},
	{abSharedLocal, 0x34, 0, 0x03, 0x0e, 0x02, 0x18},
}

// synthetic is package p with a struct, a function F of lines 20 to 25 with a
// variable v of lines 23 and 24 in a block, and G of line 11, inlined into F.
// blocks says how often the block is nested, and poor which lines have code but no
// statement.
func synthetic(blocks int, poor ...int) sections {
	var s sections
	for _, ab := range abbreviations {
		for i, v := range ab {
			if i == 2 {
				s.abbrev = append(s.abbrev, byte(v))
				continue
			}
			s.abbrev = binary.AppendUvarint(s.abbrev, v)
		}
		s.abbrev = append(s.abbrev, 0, 0)
	}
	s.abbrev = append(s.abbrev, 0)

	le := binary.LittleEndian
	info := []byte{0, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0}
	text := func(v string) { info = append(append(info, v...), 0) }
	u32 := func(v int) { info = le.AppendUint32(info, uint32(v)) }
	code := func(abbrev byte, pc uint64, size byte) {
		if abbrev != 0 {
			info = append(info, abbrev)
		}
		info = append(le.AppendUint64(info, pc), size)
	}
	info = append(info, abUnit)
	text("p")
	info = append(info, languageGo)
	u32(0)
	info = le.AppendUint64(info, 0x1000)
	u32(8)
	base := len(info)
	info = append(info, abBase)
	text("int")
	info = append(info, abStruct)
	text("p.S")
	info = append(info, goKindStruct, abMember)
	text("field")
	u32(base)
	info = append(info, 0)
	abstract := len(info)
	info = append(info, abAbstract)
	text("p.G")
	info = append(info, 1, 10)
	arg := len(info)
	info = append(info, abAbstractArg)
	text("x")
	u32(base)
	info = append(info, 0, abConcrete)
	text("p.F")
	code(0, 0x1000, 0x60)
	info = append(info, 1, 20)
	for range blocks {
		code(abBlock, 0x1020, 0x30)
	}
	info = append(info, abLocal)
	text("v")
	info = append(info, 22)
	u32(base)
	u32(0)
	info = append(info, make([]byte, blocks)...)
	info = append(info, abInlined)
	u32(abstract)
	code(0, 0x1010, 0x10)
	info = append(info, abArg)
	u32(arg)
	info = append(info, 1, 0x50, 0, 0, 0)
	le.PutUint32(info, uint32(len(info)-4))
	s.info = info

	s.lists = []byte("\x01\x00\x04\x20\x58\x01\x50\x00")
	s.addr = append(make([]byte, 8), le.AppendUint64(nil, 0x1000)...)

	header := []byte("\x01\x01\x01\xfb\x0e\x0d\x00\x01\x01\x01\x01\x00\x00\x00\x01\x00\x00\x01\x00p.go\x00\x00\x00\x00\x00")
	program := append([]byte("\x00\x09\x02"), le.AppendUint64(nil, 0x1000)...)
	line := 1
	for i, next := range []int{20, 11, 22, 23, 24, 25} {
		if i > 0 {
			program = append(program, 0x02, 0x10)
		}
		if slices.Contains(poor, next) != slices.Contains(poor, line) {
			program = append(program, 0x06)
		}
		program = append(program, 0x03, byte(next-line)&0x7f, 0x01)
		line = next
	}
	program = append(program, 0x02, 0x10, 0, 1, 1)
	s.line = le.AppendUint32(nil, uint32(2+4+len(header)+len(program)))
	s.line = le.AppendUint16(s.line, 4)
	s.line = le.AppendUint32(s.line, uint32(len(header)))
	s.line = append(append(s.line, header...), program...)
	return s
}

// with returns the sections with more entries in the unit.
func (s sections) with(entries ...[]byte) sections {
	s.info = slices.Concat(s.info[:len(s.info)-1], slices.Concat(entries...), []byte{0})
	binary.LittleEndian.PutUint32(s.info, uint32(len(s.info)-4))
	return s
}

// withRows returns the sections with so many rows, a byte of code and two lines apart, from
// 0x1000 and line 3 on.
func (s sections) withRows(count int) sections {
	address := []byte("\x00\x09\x02")
	i := bytes.Index(s.line, address) + len(address) + 8
	s.line = slices.Concat(s.line[:i], []byte{0x14}, bytes.Repeat([]byte{0x22}, count), []byte{0, 1, 1}) // special opcodes
	binary.LittleEndian.PutUint32(s.line, uint32(len(s.line)-4))
	return s
}

// concrete is a function at an address, of that length, with entries below it.
func concrete(name string, pc uint64, size byte, entries ...[]byte) []byte {
	head := append(append([]byte{abConcrete}, name...), 0)
	return slices.Concat(binary.LittleEndian.AppendUint64(head, pc), []byte{size, 1, 1}, slices.Concat(entries...), []byte{0})
}

// inlinedCall is a call of an abstract function, like concrete.
func inlinedCall(abstract uint32, pc uint64, size byte, entries ...[]byte) []byte {
	head := binary.LittleEndian.AppendUint32([]byte{abInlined}, abstract)
	return slices.Concat(binary.LittleEndian.AppendUint64(head, pc), []byte{size}, slices.Concat(entries...), []byte{0})
}

// unchecked is a checkpoint that never stops.
func unchecked() *checkpoint { return &checkpoint{check: func() error { return nil }} }

// scopes reads all scopes of the sections.
func (s sections) scopes() ([]*symdbv1.Scope, error) {
	content := map[string][]byte{"abbrev": s.abbrev, "line": s.line, "addr": s.addr, "str": s.str}
	d, err := newDebugInfo(s.info, func(name string) ([]byte, error) { return content[name], nil }, unchecked())
	if err != nil {
		return nil, fmt.Errorf("new: %w", err)
	}
	obj := &object{spool: newSpool("", newAllowance(0)), dwarf: d, locations: locations{loclists: s.lists, loc: s.lists, addr: s.addr, order: d.order}}
	ix, err := newIndex(obj, func(string) bool { return true }, unchecked())
	if err != nil {
		return nil, err
	}
	w := newWalk(obj, ix, unchecked())
	var out []*symdbv1.Scope
	for i := range ix.packages {
		_, err := w.packageScope(&ix.packages[i], "", 0, func(scope *symdbv1.Scope) bool {
			out = append(out, scope)
			return true
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func TestSyntheticProgram(t *testing.T) {
	t.Parallel()
	const want = `package p 0-0 [] {` +
		`function F 20-25 [{20 20} {22 25}] {local  22-24 [] (local v int 22 [{22 24}]) {}}` +
		`function G 10-11 [{11 11}] (arg x int 10 [{11 11}]) {}` +
		`struct p.S 0-0 [] (field field int 0 []) {}}`
	for _, poor := range [][]int{nil, {11}, {20}, {23, 24}, {11, 20, 22, 23, 24, 25}} {
		scopes, err := synthetic(1, poor...).scopes()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, s := range scopes {
			short(&b, s)
		}
		if got := b.String(); got != want {
			t.Errorf("without statements in lines %v: got\n%s\nwant\n%s", poor, got, want)
		}
	}
}

// A function without a line begins at its first code, in that file.
func TestFunctionWithoutLine(t *testing.T) {
	t.Parallel()
	s := synthetic(1)
	declaration := []byte{0x60, 1, 20} // after the code's address: its length, file and line
	i := bytes.Index(s.info, declaration)
	s.info[i+1], s.info[i+2] = 9, 0 // there is no file 9
	scopes, err := s.scopes()
	if err != nil {
		t.Fatal(err)
	}
	f := scopes[0].GetScopes()[0]
	if got := f.GetStartLine(); f.GetName() != "F" || f.GetSourceFile() != "p.go" || got != 20 {
		t.Errorf("%s in %s begins in line %d, want F in p.go and 20", f.GetName(), f.GetSourceFile(), got)
	}
}

func short(b *strings.Builder, s *symdbv1.Scope) {
	ranges := func(of []*symdbv1.LineRange) string {
		var spans []span
		for _, r := range of {
			spans = append(spans, span{r.GetStart(), r.GetEnd()})
		}
		return fmt.Sprint(spans)
	}
	fmt.Fprintf(b, "%s %s %d-%d %s ", s.GetScopeType(), s.GetName(), s.GetStartLine(), s.GetEndLine(), ranges(s.GetInjectibleLines()))
	for _, y := range s.GetSymbols() {
		fmt.Fprintf(b, "(%s %s %s %d %s) ", y.GetSymbolType(), y.GetName(), y.GetType(), y.GetLine(),
			ranges(y.GetLanguageSpecifics().GetAvailableLineRanges()))
	}
	b.WriteString("{")
	for _, child := range s.GetScopes() {
		short(b, child)
	}
	b.WriteString("}")
}

func TestDeepBlocksAreFlattened(t *testing.T) {
	t.Parallel()
	for _, blocks := range []int{maxBlockDepth, maxBlockDepth + 1, maxTreeDepth - 1, maxTreeDepth + 1, 5000} {
		scopes, err := synthetic(blocks).scopes()
		if err != nil {
			t.Fatalf("%d blocks: %v", blocks, err)
		}
		if got := depth(scopes[0]); got > 2+maxBlockDepth {
			t.Errorf("%d blocks: scopes nest %d deep, want at most %v", blocks, got, 2+maxBlockDepth)
		}
		var b strings.Builder
		short(&b, scopes[0])
		if found := strings.Contains(b.String(), "local v int"); found != (blocks < maxTreeDepth) {
			t.Errorf("%d blocks: the variable in them is there: %v, want %v", blocks, found, blocks < maxTreeDepth)
		}
	}
}

func depth(s *symdbv1.Scope) int {
	deepest := 0
	for _, child := range s.GetScopes() {
		deepest = max(deepest, depth(child))
	}
	return deepest + 1
}

// TestDamagedSections changes, cuts and doubles bytes, at the same places in every run.
func TestDamagedSections(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		s := synthetic(2)
		for range 1 + random.IntN(4) {
			section := [...]*[]byte{&s.info, &s.info, &s.abbrev, &s.line, &s.lists, &s.addr}[random.IntN(6)]
			if len(*section) == 0 {
				continue
			}
			i := random.IntN(len(*section))
			switch random.IntN(4) {
			case 0:
				*section = (*section)[:i]
			case 1:
				*section = slices.Insert(*section, i, (*section)[:i]...)
			default:
				(*section)[i] = byte(random.Uint32())
			}
		}
		scopes, err := s.scopes()
		for _, scope := range scopes {
			if depth(scope) > 3+maxBlockDepth {
				t.Fatalf("scopes nest %d deep; error %v, want at most %v", depth(scope), err, 3+maxBlockDepth)
			}
		}
	}
}

func FuzzSections(f *testing.F) {
	for _, blocks := range []int{0, 1, 60} {
		s := synthetic(blocks)
		f.Add(s.abbrev, s.info, s.line, s.lists, s.addr)
	}
	f.Fuzz(func(t *testing.T, abbrev, info, line, lists, addr []byte) {
		scopes, err := sections{abbrev, info, line, lists, addr, nil}.scopes()
		for _, scope := range scopes {
			if depth(scope) > 3+maxBlockDepth {
				t.Errorf("scopes nest %d deep; error %v, want at most %v", depth(scope), err, 3+maxBlockDepth)
			}
		}
	})
}
