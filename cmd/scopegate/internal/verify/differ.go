package verify

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// difference is the first place where two JSON values differ. Keys of an object are in
// the order of their bytes.
type difference struct {
	path           string
	sent, received string
}

func (d *difference) Error() string {
	return fmt.Sprintf("%s: sent %s, received %s", d.path, d.sent, d.received)
}

const nothing = "nothing"

// differ returns nil if the values are equal. An integer sent is a json.Number, another
// number a float64; a number received is always a json.Number.
func differ(sent, received any) *difference {
	switch want := sent.(type) {
	case map[string]any:
		if got, ok := received.(map[string]any); ok {
			return differObjects(want, got)
		}
	case []any:
		if got, ok := received.([]any); ok {
			return differArrays(want, got)
		}
	case float64:
		if got, ok := received.(json.Number); ok {
			if f, err := strconv.ParseFloat(got.String(), 64); err == nil && f == want {
				return nil
			}
		}
	default:
		if sent == received {
			return nil
		}
	}
	return &difference{sent: show(sent), received: show(received)}
}

func differObjects(sent, received map[string]any) *difference {
	var first *difference
	var firstKey string
	found := func(key string, d *difference) {
		if d != nil && (first == nil || key < firstKey) {
			first, firstKey = d, key
		}
	}
	for key, want := range sent {
		if got, ok := received[key]; ok {
			found(key, differ(want, got))
		} else {
			found(key, &difference{sent: show(want), received: nothing})
		}
	}
	for key, got := range received {
		if _, ok := sent[key]; !ok {
			found(key, &difference{sent: nothing, received: show(got)})
		}
	}
	return first.under(firstKey)
}

func differArrays(sent, received []any) *difference {
	for i := range min(len(sent), len(received)) {
		if d := differ(sent[i], received[i]); d != nil {
			return d.under("[" + strconv.Itoa(i) + "]")
		}
	}
	if len(sent) != len(received) {
		return &difference{
			sent: strconv.Itoa(len(sent)) + " elements", received: strconv.Itoa(len(received)),
		}
	}
	return nil
}

// under prefixes the path of a difference with a key or an index.
func (d *difference) under(step string) *difference {
	switch {
	case d == nil:
		return nil
	case d.path == "" || d.path[0] == '[':
		d.path = step + d.path
	default:
		d.path = step + "." + d.path
	}
	return d
}

const maxShownBytes = 80

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(text) > maxShownBytes {
		return string(text[:maxShownBytes]) + "…"
	}
	return string(text)
}
