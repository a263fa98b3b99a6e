package verify

import (
	"errors"
	"fmt"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

const childrenKey = "scopes"

// comparison iterates over the scopes sent and the parts received in step.
type comparison struct {
	nextSent  func() (*symdbv1.Scope, error, bool)
	current   *position
	sentCount int
	partCount int
}

// take compares the next root scope received.
func (c *comparison) take(received map[string]any) error {
	first := c.current == nil
	if first {
		scope, err, ok := c.nextSent()
		switch {
		case !ok:
			return fmt.Errorf("received more than the %d scopes sent: %v", c.sentCount, received["name"])
		case err != nil:
			return fmt.Errorf("scope %d sent: %w", c.sentCount, err)
		}
		c.sentCount++
		c.current = &position{scope: scope}
	}
	c.partCount++
	if err := c.current.take(received, first); err != nil {
		return fmt.Errorf("scope %d sent, %s %q: %w",
			c.sentCount-1, c.current.scope.GetScopeType(), c.current.scope.GetName(), err)
	}
	if c.current.complete() {
		c.current = nil
	}
	return nil
}

// finish fails unless every scope sent was received.
func (c *comparison) finish() error {
	if c.current != nil {
		return fmt.Errorf("scope %d sent, %s %q, is not complete",
			c.sentCount-1, c.current.scope.GetScopeType(), c.current.scope.GetName())
	}
	if scope, err, ok := c.nextSent(); ok {
		return errors.Join(fmt.Errorf("scope %d sent, %s %q, was not received",
			c.sentCount, scope.GetScopeType(), scope.GetName()), err)
	}
	return nil
}

// position is how much of a scope has been received: its children before next, of which
// the last is incomplete if open is not nil.
type position struct {
	scope *symdbv1.Scope
	next  int
	open  *position
}

func (p *position) complete() bool {
	return p.next == len(p.scope.GetScopes()) && p.open == nil
}

// take compares a part of the scope: its own fields, which each part repeats except for
// the symbols, and then the children from the position on.
func (p *position) take(received map[string]any, first bool) error {
	children, ok := received[childrenKey].([]any)
	if _, present := received[childrenKey]; present && (!ok || len(children) == 0) {
		return errors.New("scopes: not an array, or empty")
	}
	delete(received, childrenKey)
	if d := differ(ownObject(p.scope, first), received); d != nil {
		return d
	}
	for i, child := range children {
		if err := p.takeChild(child, i == 0); err != nil {
			return fmt.Errorf("scopes[%d]: %w", i, err)
		}
	}
	return nil
}

func (p *position) takeChild(child any, isFirst bool) error {
	received, ok := child.(map[string]any)
	if !ok {
		return errors.New("not an object")
	}
	again := p.open != nil
	switch {
	case again && !isFirst:
		return fmt.Errorf("the scope before it is incomplete: %s %q",
			p.open.scope.GetScopeType(), p.open.scope.GetName())
	case again:
	case p.next == len(p.scope.GetScopes()):
		return fmt.Errorf("more than the %d children sent", p.next)
	default:
		p.open = &position{scope: p.scope.GetScopes()[p.next]}
		p.next++
	}
	if err := p.open.take(received, !again); err != nil {
		return err
	}
	if p.open.complete() {
		p.open = nil
	}
	return nil
}
