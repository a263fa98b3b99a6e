package gosym

import (
	"net/url"
	"strings"
)

// collapse replaces each list of type arguments in a linker's name by `[...]`,
// so that all instances of a generic function or type have one name.
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

// bracketed is the length of the bracketed text that s begins with, quoted
// struct tags in it taken into account; all of s where the bracket stays open.
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
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		}
	}
	return len(s)
}

// splitPackage parts a collapsed linker's name in the import path of its package
// and the rest. It is not ok for a name that is no Go function's or type's.
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

// unescape undoes the linker's escapes (%2e for a dot in a path's last element).
func unescape(name string) string {
	if !strings.Contains(name, "%") {
		return name
	}
	if plain, err := url.PathUnescape(name); err == nil {
		return plain
	}
	return name
}

// splitReceiver parts a name without its package in the receiver's type and the
// method. isType tells the types of the package: T.M is a method where T is
// one, and something in a function called T otherwise.
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

// compilerMade reports whether the compiler made the function of that name, with
// nothing in it that was written.
func compilerMade(name string) bool {
	if strings.HasSuffix(name, "-fm") {
		return true
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.HasPrefix(last, "gowrap") || strings.HasPrefix(last, "deferwrap")
}

// plainType is a type's name as symbols have it: without escapes, and the same
// for all instances of a generic function, whose variables have types made of
// go.shape types.
func plainType(name string) string {
	name = unescape(name)
	if !strings.Contains(name, shape) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		if name[i] == '[' && i > 0 && isWord(name[i-1]) && !strings.HasSuffix(name[:i], "map") {
			n := bracketed(name[i:])
			if strings.Contains(name[i:i+n], shape) {
				b.WriteString("[...]")
				i += n
				continue
			}
		}
		b.WriteByte(name[i])
		i++
	}
	if plain := b.String(); !strings.Contains(plain, shape) {
		return plain
	}
	return typeArgument
}

const (
	shape        = "go.shape."
	typeArgument = "<T>"
)

func isWord(c byte) bool {
	return c == '_' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
