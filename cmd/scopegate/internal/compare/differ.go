package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Change is a place where two JSON values differ, and the values there, as JSON that may be shortened.
type Change struct{ Path, A, B string }

// Values returns the places where two JSON values differ. Keys of an object are in the order of
// their bytes. A number is a json.Number or a float64.
func Values(a, b any) []Change { return changes(nil, "", a, b) }

// nothing stands for a missing key.
const nothing = "nothing"

func changes(dst []Change, path string, a, b any) []Change {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			return objectChanges(dst, path, a, b)
		}
	case []any:
		if b, ok := b.([]any); ok {
			return arrayChanges(dst, path, a, b)
		}
	}
	if canonical(a) != canonical(b) {
		dst = append(dst, Change{Path: path, A: show(a), B: show(b)})
	}
	return dst
}

func objectChanges(dst []Change, path string, a, b map[string]any) []Change {
	keys := slices.Collect(maps.Keys(a))
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		within := key
		if path != "" {
			within = path + "." + key
		}
		inA, okA := a[key]
		inB, okB := b[key]
		switch {
		case !okA:
			dst = append(dst, Change{Path: within, A: nothing, B: show(inB)})
		case !okB:
			dst = append(dst, Change{Path: within, A: show(inA), B: nothing})
		default:
			dst = changes(dst, within, inA, inB)
		}
	}
	return dst
}

func arrayChanges(dst []Change, path string, a, b []any) []Change {
	for i := range min(len(a), len(b)) {
		dst = changes(dst, path+"["+strconv.Itoa(i)+"]", a[i], b[i])
	}
	if len(a) != len(b) {
		count := func(of []any) string { return settings.FormatCount(int64(len(of)), "element") }
		dst = append(dst, Change{Path: path, A: count(a), B: count(b)})
	}
	return dst
}

const maxShownBytes = 80

func show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return settings.Shortened(string(text), maxShownBytes)
}
