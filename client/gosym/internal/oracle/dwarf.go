package oracle

import (
	"debug/dwarf"
	"debug/elf"
	"fmt"
	"strings"
)

// Kept has the variables in the debug information, by function. It only explains
// variables missing from the scopes, and never proves one right. Wrappers made by
// the compiler do not count: of a generic function, those are the instances that
// are not made of go.shape types.
type Kept struct {
	functions map[string]map[keptName]bool
}

// keptName is a variable and its line. Each variable is also recorded with line 0.
type keptName struct {
	name string
	line int32
}

// ReadKept reads the names of the variables of all functions.
func ReadKept(path string) (*Kept, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read DWARF of %s: %w", path, err)
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("read DWARF of %s: %w", path, err)
	}
	k := &Kept{functions: map[string]map[keptName]bool{}}
	if err := k.read(data.Reader()); err != nil {
		return nil, fmt.Errorf("read DWARF of %s: %w", path, err)
	}
	return k, nil
}

func (k *Kept) read(r *dwarf.Reader) error {
	depth, inside := 0, 0
	var variables map[keptName]bool
	for {
		e, err := r.Next()
		if err != nil || e == nil {
			return err
		}
		switch e.Tag {
		case 0:
			if depth--; depth < inside {
				inside, variables = 0, nil
			}
		case dwarf.TagSubprogram:
			name, _ := e.Val(dwarf.AttrName).(string)
			if e.Val(dwarf.AttrTrampoline) != nil || strings.Contains(name, "[") && !strings.Contains(name, "go.shape.") {
				r.SkipChildren()
				continue
			}
			variables = k.of(collapse(name))
			inside = depth + 1
		case dwarf.TagFormalParameter, dwarf.TagVariable:
			if name, ok := e.Val(dwarf.AttrName).(string); ok && inside > 0 {
				line, _ := e.Val(dwarf.AttrDeclLine).(int64)
				name = strings.TrimPrefix(name, "&")
				variables[keptName{name, 0}] = true
				variables[keptName{name, int32(line)}] = true
			}
		case dwarf.TagInlinedSubroutine:
			r.SkipChildren()
			continue
		default:
		}
		if e.Children {
			depth++
		}
	}
}

func (k *Kept) of(name string) map[keptName]bool {
	v := k.functions[name]
	if v == nil {
		v = map[keptName]bool{}
		k.functions[name] = v
	}
	return v
}

// has reports whether the debug information of a function has a variable declared
// on a line, or on any line if it is 0.
func (k *Kept) has(function, variable string, line int32) bool {
	return k.functions[function][keptName{variable, line}]
}

// collapse replaces type arguments in a linker's name by [...].
func collapse(name string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case quoted && c == '\\':
			i++
		case c == '"' && depth > 0:
			quoted = !quoted
		case quoted:
		case c == '[':
			if depth++; depth == 1 {
				b.WriteString("[...]")
			}
		case c == ']':
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}
