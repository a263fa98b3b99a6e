package compare

import (
	"encoding/json"
	"errors"
	"fmt"
)

// part is a scope, or a part of one: its own keys, its symbols and its scopes.
type part struct {
	own     map[string]any
	symbols []map[string]any
	scopes  []any
}

// parse takes a scope apart. Unless the comparison is exact, it removes the keys that count as absent.
func (c *comparer) parse(scope any) (part, error) {
	own, ok := scope.(map[string]any)
	if !ok {
		return part{}, errors.New("a scope is not an object")
	}
	if kind, ok := own["scope_type"].(string); !ok || kind == "" {
		return part{}, errors.New("scope_type is missing, or not a string")
	}
	p := part{own: own}
	symbols, err := array(own, "symbols")
	if err != nil {
		return part{}, err
	}
	if p.scopes, err = array(own, "scopes"); err != nil {
		return part{}, err
	}
	delete(own, "symbols")
	delete(own, "scopes")
	for i, value := range symbols {
		symbol, ok := value.(map[string]any)
		if !ok {
			return part{}, fmt.Errorf("symbols[%d] is not an object", i)
		}
		p.symbols = append(p.symbols, symbol)
	}
	if !c.Exact {
		prune(own)
		for _, symbol := range p.symbols {
			prune(symbol)
		}
	}
	return p, nil
}

// array returns the array under a key. Null is an empty one.
func array(of map[string]any, key string) ([]any, error) {
	value := of[key]
	values, ok := value.([]any)
	if !ok && value != nil {
		return nil, fmt.Errorf("%s is not an array", key)
	}
	return values, nil
}

// within adds the index of a scope to an error.
func within(err error, i int) error { return fmt.Errorf("scopes[%d]: %w", i, err) }

// prune removes the keys of a scope or symbol that count as absent.
func prune(own map[string]any) {
	if specifics, ok := own["language_specifics"].(map[string]any); ok {
		pruneRanges(specifics["available_line_ranges"])
		pruneEmpty(specifics)
	}
	pruneRanges(own["injectible_lines"])
	pruneEmpty(own)
	pruneZero(own, "start_line", "end_line")
}

func pruneEmpty(own map[string]any) {
	for key, value := range own {
		empty := value == nil
		switch v := value.(type) {
		case string:
			empty = v == ""
		case []any:
			empty = len(v) == 0
		case map[string]any:
			empty = len(v) == 0
		}
		if empty {
			delete(own, key)
		}
	}
}

func pruneRanges(ranges any) {
	list, ok := ranges.([]any)
	if !ok {
		return
	}
	for _, value := range list {
		if lines, ok := value.(map[string]any); ok {
			pruneZero(lines, "start", "end")
		}
	}
}

// pruneZero removes keys whose value is 0 or null.
func pruneZero(own map[string]any, keys ...string) {
	for _, key := range keys {
		number, ok := own[key].(json.Number)
		if own[key] == nil || ok && canonicalNumber(number.String()) == "0" {
			delete(own, key)
		}
	}
}
