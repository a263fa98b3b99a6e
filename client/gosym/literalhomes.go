package gosym

import (
	"fmt"
	"slices"
	"strings"
)

// homesOf returns the names of the literals at one position that are not copies. The
// body of a loop over a function may be inlined without a trace in the names of its
// literals, which then seem to be in a literal that does not enclose them.
func homesOf(group []literal, lines map[string]int32) []string {
	shallow, strange := -1, false
	for i := range group {
		l := &group[i]
		strange = strange || l.misplaced || l.unordered
		if !l.isCopy && !l.misplaced && !l.unordered && (shallow < 0 || l.depth() < shallow) {
			shallow = l.depth()
		}
	}
	var homes, nested []string
	for i := range group {
		l := &group[i]
		switch line, inLiteral := lines[l.outer()]; {
		case l.isCopy || l.misplaced || l.unordered:
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
	return slices.Compact(homes)
}

// contains reports whether a name is in a sorted list.
func contains(sorted []string, name string) bool {
	_, ok := slices.BinarySearch(sorted, name)
	return ok
}

// home returns the first name not taken for a literal in the declared function around
// it, or "" if the package is unknown.
func (s *indexScan) home(l *literal, declared declarations, taken map[string]bool) (string, error) {
	prefix, around, _, err := s.functionAt(declared, l.literalKey)
	if err != nil {
		return "", err
	}
	if !l.misplaced && !l.liesIn(around) {
		if prefix, err = s.packageAt(declared, folder(s.files.path(l.file))); err != nil {
			return "", err
		}
		if prefix != "" {
			around = copiedFunction(l.name[l.prefixBytes:], s.types[unescape(strings.TrimSuffix(prefix, "."))].has)
		}
	}
	if prefix == "" {
		return "", nil
	}
	own := ".func"
	if l.loop {
		own = "-range"
	}
	for n := 1; ; n++ {
		if name := fmt.Sprintf("%s%s%s%d", prefix, around, own, n); !taken[name] {
			return name, nil
		}
		if err := s.check.pass(workPerInstance); err != nil {
			return "", err
		}
	}
}

// liesIn reports whether a literal may, by its name, be in a function. In the name of a
// copy, a method named func1 looks like a literal.
func (l *literal) liesIn(function string) bool {
	if l.around() == function || strings.HasSuffix(l.around(), "."+function) {
		return true
	}
	rest := l.name[l.prefixBytes:]
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

// isMisplaced reports whether a literal is not in the declared function of its name,
// although that is known. A //line directive may put a literal into another file than
// its function.
func (s *indexScan) isMisplaced(l *literal, declared declarations) (bool, error) {
	prefix, around, within, err := s.functionAt(declared, l.literalKey)
	if err != nil {
		return false, err
	}
	if prefix == "" || prefix == l.prefix() && around == l.around() || isPackageLevel(l.around()) {
		return false, nil
	}
	for i := range s.instances.count {
		if i%shortSteps == 0 {
			if err := s.check.pass(1); err != nil {
				return false, err
			}
		}
		if !s.dwarf.textBegins(s.instances.at(i).name, l.prefix()) {
			continue
		}
		if err := s.check.pass(workPerInstance); err != nil {
			return false, err
		}
		if prefix, rest := s.declaredName(i); prefix == l.prefix() && rest == l.around() {
			return within || s.fileNumberOf(s.instances.at(i)) == l.file, nil
		}
	}
	return false, nil
}
