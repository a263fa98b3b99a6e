package gosym

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A function literal is compiled again wherever the function around it is inlined:
// `Each.func1` of package a becomes `All.Each.func2` of package b, which inlines
// a.Each. The linker's name of a copy usually contains more than one function, but
// never the package of the original, or its number there. Those follow from its
// position in the source.

// literalKey is where a function literal begins, or a loop over a function.
type literalKey struct {
	file fileNumber
	line int32
	loop bool
}

func (k literalKey) compare(other literalKey) int {
	return cmp.Or(cmp.Compare(k.file, other.file), cmp.Compare(k.line, other.line), compareBools(k.loop, other.loop))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// literal is a function literal, or a copy of one.
type literal struct {
	literalKey

	// instance is its index in the instances of the scan.
	instance int32
	// prefixBytes is the length of the name's part for the package, aroundBytes of the
	// part behind that for what encloses it: a declared function, or several if it is a
	// copy.
	prefixBytes, aroundBytes int32
	// name is the linker's.
	name   string
	isCopy bool
	// misplaced means that its position is in another function than its name says,
	// unordered that its number is for another position in the function.
	misplaced, unordered bool
}

// prefix returns the part of the name for the package.
func (l *literal) prefix() string { return l.name[:l.prefixBytes] }

// around returns the name of the declared function that encloses the literal.
func (l *literal) around() string { return l.name[l.prefixBytes:][:l.aroundBytes] }

// outer returns the name of the enclosing literal or function.
func (l *literal) outer() string { return l.name[:strings.LastIndexAny(l.name, ".-")] }

// number returns the literal's number in the enclosing literal or function.
func (l *literal) number() int { return numberIn(l.name[len(l.outer()):]) }

// numberIn returns the number in the suffix of a literal's name.
func numberIn(own string) int {
	n, _ := strconv.Atoi(strings.TrimLeft(own, ".-funcrage"))
	return n
}

// depth returns the number of literals that enclose a literal, by its name.
func (l *literal) depth() int {
	own := l.name[l.prefixBytes+l.aroundBytes:]
	return strings.Count(own, ".") + strings.Count(own, "-")
}

// literals returns the names of the originals of copied function literals, by their
// index in s.instances. The name is empty for those to be left out.
func (s *indexScan) literals() (map[int32]string, error) {
	declared, err := s.declarations()
	if err != nil {
		return nil, err
	}
	all, err := s.allLiterals(declared)
	if err != nil {
		return nil, err
	}
	lines := map[string]int32{}
	for i := range all {
		lines[all[i].name] = all[i].line
	}
	findAllUnordered(all)
	if err := s.findLate(all); err != nil {
		return nil, err
	}
	names := map[int32]string{}
	taken := map[string]bool{}
	var homeless [][]literal
	// From here on, literals at one position follow each other.
	slices.SortStableFunc(all, func(a, b literal) int { return a.compare(b.literalKey) })
	for begin := 0; begin < len(all); {
		end := begin + 1
		for end < len(all) && all[end].literalKey == all[begin].literalKey {
			end++
		}
		group := all[begin:end]
		begin = end
		homes := homesOf(group, lines)
		s.findTwins(group, len(homes) == 0)
		for _, name := range homes {
			taken[name] = true
		}
		if len(homes) == 0 {
			homeless = append(homeless, group)
			continue
		}
		for i := range group {
			switch l := &group[i]; {
			case contains(homes, l.name):
			case len(homes) == 1:
				names[l.instance] = homes[0]
			default:
				names[l.instance] = "" // It is unknown which one was copied.
			}
		}
	}
	slices.SortFunc(homeless, func(a, b []literal) int {
		return cmp.Or(
			strings.Compare(s.files.path(a[0].file), s.files.path(b[0].file)),
			cmp.Compare(a[0].line, b[0].line), strings.Compare(a[0].name, b[0].name),
		)
	})
	for _, group := range homeless {
		if err := s.check.pass(workPerCheck); err != nil {
			return nil, err
		}
		name, err := s.home(&group[0], declared, taken)
		if err != nil {
			return nil, err
		}
		taken[name] = true
		for i := range group {
			names[group[i].instance] = name
		}
	}
	return names, nil
}

// allLiterals returns all function literals in the order of their instances.
func (s *indexScan) allLiterals(declared declarations) ([]literal, error) {
	var all []literal
	for i := range s.instances.count {
		if err := s.check.pass(workPerInstance); err != nil {
			return nil, err
		}
		l, ok := s.literal(i)
		if !ok {
			continue
		}
		if !l.isCopy {
			var err error
			if l.misplaced, err = s.isMisplaced(&l, declared); err != nil {
				return nil, err
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// literal returns the function literal of an instance. ok is false if it is not one.
func (s *indexScan) literal(i int) (l literal, ok bool) {
	inst := s.instances.at(i)
	name := collapse(s.nameOf(inst))
	pkg, rest, ok := splitPackage(name)
	if !ok || !s.listed(inst, pkg, rest) {
		return literal{}, false
	}
	isType := s.types[pkg].has
	_, own, ok := splitLiteral(rest, isType)
	if !ok {
		return literal{}, false
	}
	around, isDeclared := declaredIn(rest, isType)
	return literal{
		literalKey:  literalKey{s.fileNumberOf(inst), inst.line, own[0] == '-'},
		instance:    int32(i),
		name:        name,
		prefixBytes: int32(len(name) - len(rest)),
		aroundBytes: int32(len(around)),
		isCopy:      !isDeclared,
	}, true
}

// findAllUnordered marks the literals whose numbers do not follow their positions, among
// those in the same function or literal.
func findAllUnordered(all []literal) {
	var originals []*literal
	for i := range all {
		if !all[i].isCopy {
			originals = append(originals, &all[i])
		}
	}
	kind := func(l *literal) string { return l.name[:len(l.outer())+1] }
	slices.SortStableFunc(originals, func(a, b *literal) int { return strings.Compare(kind(a), kind(b)) })
	for begin := 0; begin < len(originals); {
		end := begin + 1
		for end < len(originals) && kind(originals[end]) == kind(originals[begin]) {
			end++
		}
		findUnordered(originals[begin:end])
		begin = end
	}
}

// findUnordered marks the literals in the same function or literal whose numbers do
// not follow their positions. If a function is inlined into itself, the copies of its
// literals come last.
func findUnordered(siblings []*literal) {
	slices.SortFunc(siblings, func(a, b *literal) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.number(), b.number()))
	})
	for i := 1; i < len(siblings); i++ {
		before, l := siblings[i-1], siblings[i]
		if before.file == l.file && (before.unordered || l.line < before.line) {
			l.unordered = true
		}
	}
}

// kindIn is a kind of literals in a function: `.` or `-`.
type kindIn struct {
	function string
	kind     byte
}

// outermost returns the declared function around a literal, and the literal in it that is
// or encloses the literal.
func (l *literal) outermost() (in kindIn, own string) {
	end := l.prefixBytes + l.aroundBytes
	own = l.name[end:]
	if next := strings.IndexAny(own[1:], ".-"); next >= 0 {
		own = own[:1+next]
	}
	return kindIn{l.name[:end], own[0]}, own
}

// findLate marks the literals with a number after that of a copy: a function's own
// literals are numbered before others are copied into it. Nothing else marks the copies
// of literals in the inlined body of a loop over a function. Literals of a package's
// variables are numbered by variable, so they are not marked.
func (s *indexScan) findLate(all []literal) error {
	const none = math.MaxInt
	first := map[kindIn]int{} // the number of the first copy in the functions with literals
	for i := range all {
		if l := &all[i]; !l.isCopy && !isPackageLevel(l.around()) {
			in, _ := l.outermost()
			first[in] = none
		}
	}
	for i := range all {
		l := &all[i]
		if !l.isCopy || !l.isNumberedByFunction() {
			continue
		}
		kind := l.name[len(l.outer())]
		for i := int(l.prefixBytes); i < len(l.outer()); i++ {
			if l.name[i] != '.' {
				continue
			}
			if err := s.check.pass(1 + i/textBytes); err != nil {
				return err
			}
			in := kindIn{l.name[:i], kind}
			if n, ok := first[in]; ok && l.number() < n {
				first[in] = l.number()
			}
		}
	}
	for i := range all {
		l := &all[i]
		if l.isCopy || isPackageLevel(l.around()) {
			continue
		}
		in, own := l.outermost()
		l.unordered = l.unordered || numberIn(own) > first[in]
	}
	return nil
}

// isNumberedByFunction reports whether a literal is numbered in a declared function,
// as opposed to another literal.
func (l *literal) isNumberedByFunction() bool {
	none := func(string) bool { return false }
	outer, own, _ := splitLiteral(l.name[l.prefixBytes:], none)
	if !isNumbered(own, ".func") && own[0] != '-' {
		return false
	}
	for {
		next, own, ok := splitLiteral(outer, none)
		if !ok || own[0] != '-' {
			return !ok
		}
		outer = next
	}
}

// findTwins marks the literals on one line that may have several originals: if the
// enclosing function was inlined, their copies have consecutive numbers, and so do
// copies of a single literal that was inlined several times. If all are copies, the
// one with the shortest name and the lowest number is of the first original.
func (s *indexScan) findTwins(group []literal, homeless bool) {
	slices.SortFunc(group, func(a, b literal) int {
		return cmp.Or(
			cmp.Compare(len(a.outer()), len(b.outer())), strings.Compare(a.outer(), b.outer()),
			cmp.Compare(a.number(), b.number()), cmp.Compare(a.instance, b.instance),
		)
	})
	isTwin := func(i int) bool {
		return group[i].isCopy && group[i].outer() == group[i+1].outer() && group[i].number()+1 == group[i+1].number()
	}
	for i := range len(group) - 1 {
		if !isTwin(i) {
			continue
		}
		for j := range group {
			if group[j].isCopy {
				s.instances.mark(group[j].instance, twin)
			}
		}
		if homeless {
			s.instances.mark(group[0].instance, first)
		}
		return
	}
}
