package gosym

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A function literal is compiled once more wherever the function around it is
// inlined: `Each.func1` of package a becomes `All.Each.func2` of package b, which
// inlines a.Each. Most of the linker's names tell copies by the names of more than
// one function, but none tells the package they were written in, or their number
// there. Those come from the place in the source.

// literalKey is where a function literal begins, or a loop whose body is a
// function.
type literalKey struct {
	file string
	line int32
	loop bool
}

// literal is a function literal, or a copy of one.
type literal struct {
	literalKey

	// instance is its place among the instances of the scan.
	instance int
	// name is the linker's, prefix what that has of the package.
	name, prefix string
	// around is what the name says is around it: a declared function, or several
	// in the name of a copy.
	around string
	isCopy bool
	// misplaced is set where the name is of another function than the place, and
	// unordered where the number is of another place in the function.
	misplaced, unordered bool
}

// outer is the name of what is around a literal, another one or a function.
func (l *literal) outer() string { return l.name[:strings.LastIndexAny(l.name, ".-")] }

// number is that of a literal among those in what is around it.
func (l *literal) number() int { return numberIn(l.name[len(l.outer()):]) }

// numberIn is the number in what the compiler adds to a name for a literal.
func numberIn(own string) int {
	n, _ := strconv.Atoi(strings.TrimLeft(own, ".-funcrage"))
	return n
}

// depth is in how many literals a literal lies, by its name.
func (l *literal) depth() int {
	own := l.name[len(l.prefix)+len(l.around):]
	return strings.Count(own, ".") + strings.Count(own, "-")
}

// literals gives copies of function literals the name of what they are a copy of,
// by their place in s.instances. It is empty for those that shall be left out.
func (s *indexScan) literals() map[int]string {
	declared := s.declarations()
	groups := map[literalKey][]*literal{}
	siblings := map[string][]*literal{}
	lines := map[string]int32{}
	for i := range s.instances {
		l := s.literal(i)
		if l == nil {
			continue
		}
		groups[l.literalKey] = append(groups[l.literalKey], l)
		if lines[l.name] = l.line; !l.isCopy {
			l.misplaced = s.isMisplaced(l, declared)
			kind := l.name[:len(l.outer())+1]
			siblings[kind] = append(siblings[kind], l)
		}
	}
	for _, list := range siblings {
		findUnordered(list)
	}
	findLate(groups)
	names := map[int]string{}
	taken := map[string]bool{}
	var homeless [][]*literal
	for _, group := range groups {
		homes := homesOf(group, lines)
		s.findTwins(group, len(homes) == 0)
		for _, name := range homes {
			taken[name] = true
		}
		if len(homes) == 0 {
			homeless = append(homeless, group)
			continue
		}
		for _, l := range group {
			switch {
			case slices.Contains(homes, l.name):
			case len(homes) == 1:
				names[l.instance] = homes[0]
			default:
				names[l.instance] = "" // Nobody knows which one was copied.
			}
		}
	}
	slices.SortFunc(homeless, func(a, b []*literal) int {
		return cmp.Or(cmp.Compare(a[0].file, b[0].file), cmp.Compare(a[0].line, b[0].line), cmp.Compare(a[0].name, b[0].name))
	})
	for _, group := range homeless {
		name := s.home(group[0], declared, taken)
		taken[name] = true
		for _, l := range group {
			names[l.instance] = name
		}
	}
	return names
}

// literal is the function literal that an instance is, nil if it is none.
func (s *indexScan) literal(i int) *literal {
	at := &s.instances[i]
	name := collapse(at.name)
	pkg, rest, ok := splitPackage(name)
	if !ok || !s.listed(at, pkg, rest) {
		return nil
	}
	isType := s.types[pkg].has
	_, own, ok := splitLiteral(rest, isType)
	if !ok {
		return nil
	}
	l := &literal{
		literalKey: literalKey{s.fileOfInstance(at), at.line, own[0] == '-'},
		instance:   i,
		name:       name,
		prefix:     strings.TrimSuffix(name, rest),
	}
	l.around, ok = declaredIn(rest, isType)
	l.isCopy = !ok
	return l
}

// findUnordered marks those literals, of all that are in a function or in another
// literal, whose numbers do not follow their places: where a function is inlined
// into itself, the copies of its literals come last.
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

// findLate marks those literals whose numbers come behind that of a copy: a function's
// literals are numbered before others are copied there. Where the body of a loop over
// a function is inlined, the copies of the literals in it have no other mark. Those of
// a package's variables are numbered one variable after the other.
func findLate(groups map[literalKey][]*literal) {
	first := map[string]int{} // the number of the first copy, by function and kind
	for _, group := range groups {
		for _, l := range group {
			if !l.isCopy || !l.isNumberedByFunction() {
				continue
			}
			kind := l.name[len(l.outer())]
			for i := len(l.prefix); i < len(l.outer()); i++ {
				if l.name[i] != '.' {
					continue
				}
				key := l.name[:i] + string(kind)
				if n, ok := first[key]; !ok || l.number() < n {
					first[key] = l.number()
				}
			}
		}
	}
	for _, group := range groups {
		for _, l := range group {
			if l.isCopy || isPackageLevel(l.around) {
				continue
			}
			around := l.prefix + l.around
			own := l.name[len(around):]
			if next := strings.IndexAny(own[1:], ".-"); next >= 0 {
				own = own[:1+next]
			}
			copied, ok := first[around+own[:1]]
			l.unordered = l.unordered || ok && numberIn(own) > copied
		}
	}
}

// isNumberedByFunction reports whether a literal has its number from a declared function,
// and not from another literal.
func (l *literal) isNumberedByFunction() bool {
	none := func(string) bool { return false }
	outer, own, _ := splitLiteral(l.name[len(l.prefix):], none)
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

// findTwins marks the literals of a place that may be several ones: where what is
// around them was inlined, those that begin in one line follow each other in number,
// as the copies of a single one do that was inlined several times. Where all are
// copies, the one with the shortest name and the lowest number is one of the first.
func (s *indexScan) findTwins(group []*literal, homeless bool) {
	slices.SortFunc(group, func(a, b *literal) int {
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
		for _, l := range group {
			s.instances[l.instance].twin = l.isCopy
		}
		s.instances[group[0].instance].first = homeless
		return
	}
}

// homesOf are the names of the literals that begin in one place and are no copies.
// The body of a loop over a function may be inlined without a trace in the names of
// the literals in it: then they seem to lie in a literal that is not around them.
func homesOf(group []*literal, lines map[string]int32) []string {
	shallow, strange := -1, false
	for _, l := range group {
		strange = strange || l.misplaced || l.unordered
		if !l.isCopy && !l.misplaced && !l.unordered && (shallow < 0 || l.depth() < shallow) {
			shallow = l.depth()
		}
	}
	var homes, nested []string
	for _, l := range group {
		switch line, inLiteral := lines[l.outer()]; {
		case l.isCopy || l.misplaced || l.unordered || slices.Contains(homes, l.name) || slices.Contains(nested, l.name):
		case l.depth() == shallow:
			homes = append(homes, l.name)
		case inLiteral && line == l.line:
			nested = append(nested, l.name)
		default:
			strange = true
		}
	}
	if !strange {
		homes = append(homes, nested...)
	}
	slices.Sort(homes)
	return homes
}

// home is the name that a literal has in the declared function around it: the first
// that is not taken. It is empty if nothing tells the package.
func (s *indexScan) home(l *literal, declared declarations, taken map[string]bool) string {
	prefix, around, _ := s.functionAt(declared, l.literalKey)
	if !l.misplaced && !l.liesIn(around) {
		if prefix = s.packageAt(declared, folder(l.file)); prefix != "" {
			around = copiedFunction(l.name[len(l.prefix):], s.types[unescape(strings.TrimSuffix(prefix, "."))].has)
		}
	}
	if prefix == "" {
		return ""
	}
	own := ".func"
	if l.loop {
		own = "-range"
	}
	for n := 1; ; n++ {
		if name := fmt.Sprintf("%s%s%s%d", prefix, around, own, n); !taken[name] {
			return name
		}
	}
}

// liesIn reports whether the name of a literal allows for a function around it. In the
// name of a copy, a method func1 seems to be a literal.
func (l *literal) liesIn(function string) bool {
	if l.around == function || strings.HasSuffix(l.around, "."+function) {
		return true
	}
	rest := l.name[len(l.prefix):]
	i := strings.LastIndex(rest, "."+function)
	if function == "" || i < 0 {
		return false
	}
	for own := rest[i+1+len(function):]; own != ""; {
		outer, _, ok := splitLiteral("x"+own, func(string) bool { return false })
		if !ok {
			return false
		}
		own = outer[1:]
	}
	return true
}

// declarations has the declared functions of each file by their lines.
type declarations map[string][]declaration

// declaration is a declared function, by its place among the instances of the scan.
type declaration struct {
	line     int32
	instance int32
}

func (s *indexScan) declarations() declarations {
	all := declarations{}
	for i := range s.instances {
		at := &s.instances[i]
		file := s.fileOfInstance(at)
		if prefix, _ := s.declaredName(i); prefix != "" {
			all[file] = append(all[file], declaration{at.line, int32(i)})
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b declaration) int {
			return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.instance, b.instance))
		})
	}
	return all
}

// declaredName parts the linker's name of a declared function in what it has of the
// package and the rest. Both are empty for other instances.
func (s *indexScan) declaredName(i int) (prefix, rest string) {
	at := &s.instances[i]
	name := collapse(at.name)
	pkg, rest, ok := splitPackage(name)
	if !ok || !s.listed(at, pkg, rest) {
		return "", ""
	}
	if _, _, isLiteral := splitLiteral(rest, s.types[pkg].has); isLiteral {
		return "", ""
	}
	return strings.TrimSuffix(name, rest), rest
}

// functionAt is the last declared function that begins in front of a place. It is
// within that function if there is code of it in that line or behind.
func (s *indexScan) functionAt(declared declarations, at literalKey) (prefix, rest string, within bool) {
	list := declared[at.file]
	i, _ := slices.BinarySearchFunc(list, at.line+1, func(d declaration, line int32) int { return cmp.Compare(d.line, line) })
	if i == 0 {
		return "", "", false
	}
	prefix, rest = s.declaredName(int(list[i-1].instance))
	for first := list[i-1].line; i > 0 && list[i-1].line == first && !within; i-- {
		within = s.instances[list[i-1].instance].last(s.functions) >= at.line
	}
	return prefix, rest, within
}

// packageAt is what the linker's names have of the package in a folder: most of
// those of the functions there.
func (s *indexScan) packageAt(declared declarations, dir string) string {
	counts := map[string]int{}
	for file, list := range declared {
		if folder(file) != dir {
			continue
		}
		for _, d := range list {
			prefix, _ := s.declaredName(int(d.instance))
			counts[prefix]++
		}
	}
	best := ""
	for prefix, n := range counts {
		if n > counts[best] || n == counts[best] && prefix < best {
			best = prefix
		}
	}
	return best
}

func folder(file string) string { return file[:strings.LastIndexByte(file, '/')+1] }

// isMisplaced reports whether a literal does not lie in the declared function of
// its name, although that is known. By a //line directive a literal may be in another
// file than its function.
func (s *indexScan) isMisplaced(l *literal, declared declarations) bool {
	prefix, around, within := s.functionAt(declared, l.literalKey)
	if prefix == "" || prefix == l.prefix && around == l.around || isPackageLevel(l.around) {
		return false
	}
	for i := range s.instances {
		if strings.HasPrefix(s.instances[i].name, l.prefix) {
			if prefix, rest := s.declaredName(i); prefix == l.prefix && rest == l.around {
				return within || s.fileOfInstance(&s.instances[i]) == l.file
			}
		}
	}
	return false
}
