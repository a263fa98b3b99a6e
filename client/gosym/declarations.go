package gosym

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// declarations are the declared functions of all files, sorted by file and line.
type declarations []declaration

// declaration is a declared function, by its index in the instances of the scan.
type declaration struct {
	file     fileNumber
	line     int32
	instance int32
}

func (s *indexScan) declarations() (declarations, error) {
	all := make(declarations, 0, s.instances.count)
	for i := range s.instances.count {
		if err := s.check.pass(workPerInstance); err != nil {
			return nil, err
		}
		inst := s.instances.at(i)
		if prefix, _ := s.declaredName(i); prefix != "" {
			all = append(all, declaration{s.fileNumberOf(inst), inst.line, int32(i)})
		}
	}
	slices.SortFunc(all, func(a, b declaration) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.instance, b.instance))
	})
	return all, nil
}

// of returns the declarations of a file.
func (d declarations) of(file fileNumber) declarations {
	begin := sort.Search(len(d), func(i int) bool { return d[i].file >= file })
	end := begin + sort.Search(len(d)-begin, func(i int) bool { return d[begin+i].file > file })
	return d[begin:end]
}

// declaredName splits the linker's name of a declared function into its part for the
// package and the rest. Both are empty for other instances.
func (s *indexScan) declaredName(i int) (prefix, rest string) {
	inst := s.instances.at(i)
	name := collapse(s.nameOf(inst))
	pkg, rest, ok := splitPackage(name)
	if !ok || !s.listed(inst, pkg, rest) {
		return "", ""
	}
	if _, _, isLiteral := splitLiteral(rest, s.types[pkg].has); isLiteral {
		return "", ""
	}
	return strings.TrimSuffix(name, rest), rest
}

// functionAt returns the last declared function that begins before a position. within
// means that the function has code on that line or after it.
func (s *indexScan) functionAt(declared declarations, place literalKey) (prefix, rest string, within bool, err error) {
	list := declared.of(place.file)
	i, _ := slices.BinarySearchFunc(list, place.line+1, func(d declaration, line int32) int { return cmp.Compare(d.line, line) })
	if i == 0 {
		return "", "", false, nil
	}
	prefix, rest = s.declaredName(int(list[i-1].instance))
	for first := list[i-1].line; i > 0 && list[i-1].line == first && !within; i-- {
		if err := s.check.pass(1); err != nil {
			return "", "", false, err
		}
		inst := s.instances.instance(list[i-1].instance)
		within = inst.last(s.functions) >= place.line
	}
	return prefix, rest, within, nil
}

// packageAt returns the package part that most functions in a directory have in their
// linker's names.
func (s *indexScan) packageAt(declared declarations, dir string) (string, error) {
	counts := map[string]int{}
	inDir, file := false, fileNumber(-1)
	for i, d := range declared {
		if i%shortSteps == 0 {
			if err := s.check.pass(1); err != nil {
				return "", err
			}
		}
		if d.file != file {
			file = d.file
			inDir = folder(s.files.path(file)) == dir
		}
		if inDir {
			if err := s.check.pass(workPerInstance); err != nil {
				return "", err
			}
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
	return best, nil
}

func folder(file string) string { return file[:strings.LastIndexByte(file, '/')+1] }
