package compare

import (
	"slices"
	"strconv"
)

// comparer compares two uploads.
type comparer struct {
	Options
	report Report
	path   []Step // of the scope that is being compared
}

// roots compares two root scopes of the same type and name.
func (c *comparer) roots(a, b *node) {
	c.enter(a.own.scopeStep().withoutLine())
	defer c.leave()
	c.variants(a, b)
	if c.Exact && len(a.children) == 0 && len(b.children) == 0 && a.count != b.count {
		c.differ(ScopeKind, "", times(a.count), times(b.count)) // what has no scopes is not divided
	}
	c.content(a, b)
}

// variants compares the own keys of root scopes.
func (c *comparer) variants(a, b *node) {
	same := true
	for _, own := range b.variants {
		if !slices.Contains(a.variants, own) {
			same = false
			c.keys(ScopeKind, a.own, own)
		}
	}
	for _, own := range a.variants {
		if same && !slices.Contains(b.variants, own) {
			c.keys(ScopeKind, own, b.own)
		}
	}
}

// nodes compares two scopes that stand for each other.
func (c *comparer) nodes(a, b *node) {
	c.enter(a.own.scopeStep())
	defer c.leave()
	c.keys(ScopeKind, a.own, b.own)
	if !a.sameCount(b) {
		c.differ(ScopeKind, "", times(a.count), times(b.count))
	}
	c.content(a, b)
}

// keys compares the own keys of a scope, or a symbol.
func (c *comparer) keys(what What, a, b object) {
	if a == b {
		return
	}
	for _, d := range Values(decode(string(a)), decode(string(b))) {
		c.differ(what, d.Path, d.A, d.B)
	}
}

// content compares the symbols and scopes of two scopes.
func (c *comparer) content(a, b *node) {
	c.symbols(a, b)
	partners := make(map[*node]*node) // from a to b
	var left, added []*node
	for _, child := range a.children {
		if other := b.find(child.own); other != nil {
			partners[child] = other
		} else {
			left = append(left, child)
		}
	}
	for _, child := range b.children {
		if a.find(child.own) == nil {
			added = append(added, child)
		}
	}
	if c.Exact && len(left) == 0 && len(added) == 0 {
		c.order("scopes", owns(a.children), owns(b.children), object.scopeStep)
	}
	name := func(n *node) Step { return n.own.scopeStep() }
	added = pair(left, added, name, func(i int, b *node) { partners[left[i]] = b })
	for _, child := range a.children {
		if other := partners[child]; other != nil {
			c.nodes(child, other)
		} else {
			c.differs(Missing, ScopeKind, child.own.scopeStep())
		}
	}
	for _, child := range added {
		c.differs(Added, ScopeKind, child.own.scopeStep())
	}
}

func owns(nodes []*node) []object {
	all := make([]object, len(nodes))
	for i, n := range nodes {
		all[i] = n.own
	}
	return all
}

// symbols compares the symbols of two scopes. Their order matters, unless they are from several
// parts.
func (c *comparer) symbols(a, b *node) {
	if slices.Equal(a.symbols, b.symbols) {
		return
	}
	left, added := subtract(a.symbols, b.symbols), subtract(b.symbols, a.symbols)
	if len(left) == 0 && len(added) == 0 && a.sources <= 1 && b.sources <= 1 {
		c.order("symbols", a.symbols, b.symbols, object.symbolStep)
	}
	partners := make([]object, len(left))
	added = pair(left, added, object.symbolStep, func(i int, b object) { partners[i] = b })
	for i, symbol := range left {
		if partners[i] == "" {
			c.differs(Missing, SymbolKind, symbol.symbolStep())
			continue
		}
		c.enter(symbol.symbolStep())
		c.keys(SymbolKind, symbol, partners[i])
		c.leave()
	}
	for _, symbol := range added {
		c.differs(Added, SymbolKind, symbol.symbolStep())
	}
}

// subtract returns the symbols that are not among others, each of which counts once.
func subtract(symbols, others []object) []object {
	counts := make(map[object]int)
	for _, symbol := range others {
		counts[symbol]++
	}
	var rest []object
	for _, symbol := range symbols {
		if counts[symbol]--; counts[symbol] < 0 {
			rest = append(rest, symbol)
		}
	}
	return rest
}

// pair calls paired for elements of the same type and name, in their order. It returns those of b
// that have no partner.
func pair[T any](a, b []T, step func(T) Step, paired func(i int, b T)) (rest []T) {
	waiting := make(map[Step][]int)
	for i, element := range a {
		name := step(element).withoutLine()
		waiting[name] = append(waiting[name], i)
	}
	for _, element := range b {
		name := step(element).withoutLine()
		indexes := waiting[name]
		if len(indexes) == 0 {
			rest = append(rest, element)
			continue
		}
		paired(indexes[0], element)
		waiting[name] = indexes[1:]
	}
	return rest
}

// order reports the first place where lists of the same elements differ.
func (c *comparer) order(key string, a, b []object, step func(object) Step) {
	for i := range a {
		if a[i] != b[i] {
			c.differ(ScopeKind, key+"["+strconv.Itoa(i)+"]", step(a[i]).String(), step(b[i]).String())
			return
		}
	}
}
