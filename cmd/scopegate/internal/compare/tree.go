package compare

import "slices"

// node is a scope merged from all its parts. Scopes with the same own keys inside one scope are one
// node, because they can't be distinguished: a divided scope appears in each part, and nothing says
// whether that is the same scope again.
type node struct {
	own object
	// variants are the own keys of a root scope's parts, if they are not all the same. The first
	// is own.
	variants []object

	symbols []object
	// sources is the number of parts that have symbols.
	sources int

	children []*node // in order of appearance
	index    map[object]*node
	last     *node // the last child of the last part

	// count is how often the scope appears. slack is how many of these may be continuations of a
	// divided scope.
	count, slack int
}

// object is the canonical text of the own keys of a scope, or of a symbol.
type object string

func (o object) scopeStep() Step  { return stepOf(decode(string(o)), "scope_type", "start_line") }
func (o object) symbolStep() Step { return stepOf(decode(string(o)), "symbol_type", "line") }

// vary adds the own keys of a part of a root scope.
func (n *node) vary(own object) {
	if n.own == "" {
		n.own = own
	}
	if !slices.Contains(n.variants, own) {
		n.variants = append(n.variants, own)
	}
}

// merge adds a part. continues is set if it may continue the part before: then its first scope may
// continue the last scope of that part.
func (c *comparer) merge(n *node, p part, continues bool) error {
	n.count++
	for _, symbol := range p.symbols {
		n.symbols = append(n.symbols, object(canonical(symbol)))
	}
	if len(p.symbols) > 0 {
		n.sources++
	}
	last := n.last
	n.last = nil
	for i, scope := range p.scopes {
		childPart, err := c.parse(scope)
		if err != nil {
			return within(err, i)
		}
		child := n.child(object(canonical(childPart.own)))
		again := continues && i == 0 && child == last && len(childPart.scopes) > 0
		if again {
			child.slack++
		}
		if err := c.merge(child, childPart, again); err != nil {
			return within(err, i)
		}
		n.last = child
	}
	return nil
}

// maxUnindexed is how many children are searched one by one.
const maxUnindexed = 8

// find returns the child with the given own keys, or nil.
func (n *node) find(own object) *node {
	if n.index != nil {
		return n.index[own]
	}
	i := slices.IndexFunc(n.children, func(child *node) bool { return child.own == own })
	if i < 0 {
		return nil
	}
	return n.children[i]
}

// child returns the child with the given own keys, which it adds if needed.
func (n *node) child(own object) *node {
	if child := n.find(own); child != nil {
		return child
	}
	added := &node{own: own}
	n.children = append(n.children, added)
	if n.index != nil {
		n.index[own] = added
	} else if len(n.children) > maxUnindexed {
		n.index = make(map[object]*node)
		for _, child := range n.children {
			n.index[child.own] = child
		}
	}
	return added
}

// sameCount reports whether two scopes may appear equally often.
func (n *node) sameCount(other *node) bool {
	return n.count >= other.count-other.slack && other.count >= n.count-n.slack
}
