// Package compare finds the differences between the scopes of two uploads.
//
// Start at [Uploads]. Root scopes are merged by scope_type and name, as the backend does, so it
// does not matter how an upload was divided into batches, or a large scope into parts. Scopes are
// JSON objects as encoding/json decodes them with UseNumber; where they are from does not matter.
//
// Each upload is read once to compute a hash of each root scope, and once more if there are
// differences. Only root scopes that differ, or that are divided differently, are held in memory.
package compare

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strconv"
)

// Upload is a sequence of root scopes.
type Upload struct {
	// Name precedes the errors of the upload.
	Name string
	// Scopes yields the root scopes. It is ranged over up to twice, and must yield the same scopes
	// again. The consumer owns them. The first error ends it.
	Scopes iter.Seq2[map[string]any, error]
}

// Options say what counts as a difference.
type Options struct {
	// Exact compares all keys as they are, and the order of scopes. Otherwise null, an empty
	// string, an empty list and an empty object count as absent, as does a line range's and a
	// scope's line 0, and the order of scopes does not matter.
	Exact bool
	// Limit is how many differences to list. All are counted. 0: all.
	Limit int
}

// Uploads compares the scopes of two uploads. It returns the errors of the sequences, and errors about
// scopes that are not valid.
func Uploads(a, b Upload, options Options) (Report, error) {
	c := &comparer{Options: options, report: Report{Differences: []Difference{}}}
	was, err := c.digest(a)
	if err != nil {
		return Report{}, err
	}
	is, err := c.digest(b)
	if err != nil {
		return Report{}, err
	}
	c.report.A, c.report.B = was.counts, is.counts
	suspects := make(map[Step]bool)
	for key, parts := range was.parts {
		if others := is.parts[key]; others != nil && !slices.Equal(parts, others) {
			suspects[key] = true
		}
	}
	var trees [2]map[Step]*node
	if len(suspects) > 0 {
		for i, upload := range []Upload{a, b} {
			if trees[i], err = c.build(upload, suspects); err != nil {
				return Report{}, err
			}
		}
	}
	for _, key := range was.order {
		switch {
		case is.parts[key] == nil:
			c.differs(Missing, ScopeKind, key)
		case suspects[key]:
			c.roots(trees[0][key], trees[1][key])
		}
	}
	for _, key := range is.order {
		if was.parts[key] == nil {
			c.differs(Added, ScopeKind, key)
		}
	}
	if c.Exact && c.report.Equal() {
		c.rootOrder(was.order, is.order)
	}
	return c.report, nil
}

// rootOrder reports the first place where the same root scopes are in another order.
func (c *comparer) rootOrder(a, b []Step) {
	for i := range a {
		if a[i] != b[i] {
			c.differ(ScopeKind, "scopes["+strconv.Itoa(i)+"]", a[i].String(), b[i].String())
			return
		}
	}
}

// rootOf returns the type and name of a root scope, by which its parts are merged.
func rootOf(p part) Step { return stepOf(p.own, "scope_type", "start_line").withoutLine() }

// Counts counts the scopes and symbols of an upload.
type Counts struct {
	// RootCount is the number of root scopes, merged. PartCount is the number of their parts.
	RootCount int `json:"root_count"`
	PartCount int `json:"part_count"`
	// SymbolCount is the number of symbols.
	SymbolCount int `json:"symbol_count"`
}

type sum = [sha256.Size]byte

// digest is an upload without its content.
type digest struct {
	order  []Step // in order of appearance
	parts  map[Step][]sum
	counts Counts
}

func (c *comparer) digest(upload Upload) (*digest, error) {
	d := &digest{parts: make(map[Step][]sum)}
	for scope, err := range upload.Scopes {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", upload.Name, err)
		}
		p, err := c.parse(scope)
		if err == nil {
			var total sum
			if total, err = c.sum(p, &d.counts); err == nil {
				key := rootOf(p)
				if d.parts[key] == nil {
					d.order = append(d.order, key)
				}
				d.parts[key] = append(d.parts[key], total)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: root scope %d: %w", upload.Name, d.counts.PartCount, err)
		}
		d.counts.PartCount++
	}
	d.counts.RootCount = len(d.order)
	return d, nil
}

// sum hashes a part with all its scopes.
func (c *comparer) sum(p part, counts *Counts) (sum, error) {
	counts.SymbolCount += len(p.symbols)
	text := appendCanonical(nil, p.own)
	for _, symbol := range p.symbols {
		text = appendCanonical(append(text, '\n'), symbol)
	}
	sums := make([]sum, 0, len(p.scopes))
	for i, scope := range p.scopes {
		child, err := c.parse(scope)
		if err != nil {
			return sum{}, within(err, i)
		}
		total, err := c.sum(child, counts)
		if err != nil {
			return sum{}, within(err, i)
		}
		sums = append(sums, total)
	}
	if !c.Exact {
		slices.SortFunc(sums, func(a, b sum) int { return slices.Compare(a[:], b[:]) })
	}
	text = append(text, 0)
	for _, total := range sums {
		text = append(text, total[:]...)
	}
	return sha256.Sum256(text), nil
}

// build returns the trees of the root scopes in keys.
func (c *comparer) build(upload Upload, keys map[Step]bool) (map[Step]*node, error) {
	trees := make(map[Step]*node)
	for scope, err := range upload.Scopes {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", upload.Name, err)
		}
		p, err := c.parse(scope)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", upload.Name, err)
		}
		key := rootOf(p)
		if !keys[key] {
			continue
		}
		root, ok := trees[key]
		if !ok {
			root = &node{}
			trees[key] = root
		}
		root.vary(object(canonical(p.own)))
		if err := c.merge(root, p, root.count > 0); err != nil {
			return nil, fmt.Errorf("%s: %w", upload.Name, err)
		}
	}
	if len(trees) < len(keys) {
		return nil, fmt.Errorf("%s: it changed while being read", upload.Name)
	}
	return trees, nil
}
