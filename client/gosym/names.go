package gosym

import (
	"net/url"
	"slices"
	"strings"
)

// collapse replaces each list of type arguments in a linker's name by `[...]`, so that
// all instances of a generic function or type have the same name.
func collapse(name string) string {
	start := strings.IndexByte(name, '[')
	if start < 0 {
		return name
	}
	var b strings.Builder
	b.WriteString(name[:start])
	for i := start; i < len(name); {
		if name[i] != '[' {
			b.WriteByte(name[i])
			i++
			continue
		}
		b.WriteString("[...]")
		i += bracketed(name[i:])
	}
	return b.String()
}

// bracketed returns the length of the bracketed text that s begins with, which may have
// quoted struct tags in it. If the bracket is not closed, that is the length of s.
func bracketed(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			i = closingQuote(s, i)
		}
	}
	return len(s)
}

// closingQuote returns the index of the quote that closes the one at s[i].
func closingQuote(s string, i int) int {
	for i++; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i
}

// splitPackage splits a collapsed linker's name into the import path of its package and
// the rest. ok is false if it is not the name of a Go function or type.
func splitPackage(name string) (pkg, rest string, ok bool) {
	head := name
	if i := strings.IndexAny(head, "(["); i >= 0 {
		head = head[:i]
	}
	slash := strings.LastIndexByte(head, '/') + 1
	dot := strings.IndexByte(head[slash:], '.')
	if dot <= 0 {
		return "", "", false
	}
	pkg, rest = name[:slash+dot], name[slash+dot+1:]
	if rest == "" || strings.ContainsAny(pkg, " {}()<>*,;:\"") || pkg == "map" || pkg == "noalg" {
		return "", "", false
	}
	return unescape(pkg), rest, true
}

// unescape removes the linker's escapes, such as %2e for a dot in a path's last element.
func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// splitReceiver splits a name without its package into the receiver's type and the
// method. isType reports whether a name is a type of the package: T.M is a method if T
// is one, and otherwise in a function T.
func splitReceiver(name string, isType func(string) bool) (receiver, method string, ok bool) {
	if rest, pointer := strings.CutPrefix(name, "(*"); pointer {
		return strings.Cut(rest, ").")
	}
	receiver, method, ok = strings.Cut(strings.Replace(name, "[...]", "[]", 1), ".")
	receiver = strings.Replace(receiver, "[]", "[...]", 1)
	if !ok || method == "" || !isType(receiver) {
		return "", "", false
	}
	return receiver, name[len(receiver)+1:], true
}

// compilerMade reports whether the compiler or cgo made the function of that name.
// isType reports whether a name is a type of the package, whose methods may have such
// names.
func compilerMade(name string, isType func(string) bool) bool {
	if first, _, _ := strings.Cut(name, "."); first == "_cgo_cmalloc" ||
		slices.ContainsFunc(cgoPrefixes, func(prefix string) bool { return strings.HasPrefix(first, prefix) }) {
		return true
	}
	if strings.HasSuffix(name, "-fm") || isNumbered(name, "map.init.") {
		return true
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || !isNumbered(name[dot:], ".gowrap") && !isNumbered(name[dot:], ".deferwrap") {
		return false
	}
	return !isReceiver(name[:dot], isType)
}

// cgoPrefixes begin the names of functions made by cgo. It attributes some of them to
// the file that imports C.
var cgoPrefixes = []string{"_Cfunc_", "_C2func_", "_Cmacro_", "_Cgo_", "_cgoexp_"}

// isNumbered reports whether s is the prefix followed by a number.
func isNumbered(s, prefix string) bool {
	number, ok := strings.CutPrefix(s, prefix)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// isReceiver reports whether a name is the receiver in a method's name.
func isReceiver(name string, isType func(string) bool) bool {
	return isType(name) || strings.HasPrefix(name, "(*") && strings.IndexByte(name, ')') == len(name)-1
}

// splitLiteral splits the name of a function literal, or of the body of a loop over a
// function, without its package, into the enclosing name and its own suffix:
// `Open.func1` into `Open` and `.func1`. isType reports whether a name is a type of the
// package.
func splitLiteral(name string, isType func(string) bool) (outer, own string, ok bool) {
	i := strings.LastIndexAny(name, ".-")
	if i <= 0 {
		return "", "", false
	}
	outer, own = name[:i], name[i:]
	switch {
	case isNumbered(own, "-range"):
	case isNumbered(own, ".func"):
		if isReceiver(outer, isType) {
			return "", "", false // A method has that name.
		}
	case isNumbered(own, "."):
		if outer == "init" || outer == "map.init" {
			return "", "", false
		}
	default:
		return "", "", false
	}
	return outer, own, true
}

// declaredIn returns the name of the declared function that encloses a function
// literal, by its name without the package. ok is false if the literal is a copy: its
// name, such as `All.Each.func2`, begins with a function into which another one was
// inlined.
func declaredIn(name string, isType func(string) bool) (declared string, ok bool) {
	for {
		outer, _, ok := splitLiteral(name, isType)
		if !ok {
			break
		}
		name = outer
	}
	if isPackageLevel(name) {
		return name, true
	}
	last := name
	if _, method, ok := splitReceiver(name, isType); ok {
		last = method
	}
	return name, !strings.ContainsAny(strings.ReplaceAll(last, "[...]", ""), ".-")
}

// isPackageLevel reports whether a name is the enclosing name of function literals that
// are not in a function.
func isPackageLevel(name string) bool {
	return name == "glob." || name == "init" || isNumbered(name, "init.") || isNumbered(name, "map.init.")
}

// copiedFunction returns the declared function that a literal was copied with: `(*T).M`
// for `All.Each.(*T).M.func2`. isType reports whether a name is a type of its package.
func copiedFunction(name string, isType func(string) bool) string {
	// A type or a pointer to one, after a function.
	endsInReceiver := func(outer string) bool { return isReceiver(lastPart(outer), isType) }
	name, _, ok := splitLiteral(name, func(string) bool { return false })
	for outer := name; ok; outer, _, ok = splitLiteral(name, endsInReceiver) {
		name = outer
	}
	last := lastPart(name)
	if receiver := strings.TrimSuffix(name, "."+last); receiver != name && endsInReceiver(receiver) {
		return lastPart(receiver) + "." + last
	}
	return last
}

// lastPart returns the part of a collapsed name after its last dot outside of [...].
func lastPart(name string) string {
	plain := strings.ReplaceAll(name, "[...]", "[___]")
	return name[strings.LastIndexByte(plain, '.')+1:]
}

// plainType returns a type's name for symbols: without escapes, and the same for all
// instances of a generic function, whose variables have types made of go.shape types.
func plainType(name string) string {
	name = unescape(name)
	if !strings.Contains(name, shape) {
		return name
	}
	name = withoutArguments(name, func(arguments string) bool { return strings.Contains(arguments, shape) })
	if strings.Contains(name, shape) {
		return typeArgument
	}
	return name
}

// mixedArguments returns the type arguments in a linker's name that contain a shape
// without being one, such as `*T[go.shape.int]`. They depend on the type arguments of a
// calling function.
func mixedArguments(name string) []string {
	var mixed []string
	for rest := name; strings.Contains(rest, shape); {
		open := strings.IndexByte(rest, '[')
		if open < 0 {
			break
		}
		n := bracketed(rest[open:])
		list := strings.TrimSuffix(rest[open+1:open+n], "]")
		rest = rest[open+n:]
		for list != "" {
			end := topLevelComma(list)
			if argument := list[:end]; !strings.HasPrefix(argument, shape) && strings.Contains(argument, shape) {
				mixed = append(mixed, plainType(argument))
			}
			list = strings.TrimPrefix(list[end:], ",")
		}
	}
	return mixed
}

// topLevelComma returns where the first type in a list ends.
func topLevelComma(list string) int {
	depth := 0
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		case '"':
			i = closingQuote(list, i)
		}
	}
	return len(list)
}

// commonType returns the name for the types that a variable has in two instances of a
// generic function or type.
func commonType(a, b string) string {
	if a == b {
		return a
	}
	all := func(string) bool { return true }
	if a = withoutArguments(a, all); a != withoutArguments(b, all) {
		return typeArgument
	}
	return a
}

// withoutArguments replaces lists of type arguments in a type's name by [...], if replaced
// returns true for them.
func withoutArguments(name string, replaced func(arguments string) bool) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		if name[i] == '[' && i > 0 && isWord(name[i-1]) && !endsInMap(name[:i]) {
			n := bracketed(name[i:])
			if replaced(name[i : i+n]) {
				b.WriteString("[...]")
				i += n
				continue
			}
		}
		b.WriteByte(name[i])
		i++
	}
	return b.String()
}

// endsInMap reports whether the last word of s is map.
func endsInMap(s string) bool {
	head, ok := strings.CutSuffix(s, "map")
	return ok && (head == "" || !isWord(head[len(head)-1]))
}

const (
	shape        = "go.shape."
	typeArgument = "<T>"
)

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
