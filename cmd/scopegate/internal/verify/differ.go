package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// differ returns an error that names the first place, with keys in the order of
// their bytes, where two JSON values are not the same. An integer that was sent
// is a json.Number, another number a float64; one that was received is always a
// json.Number.
func differ(path string, sent, received any) error {
	switch want := sent.(type) {
	case map[string]any:
		if got, ok := received.(map[string]any); ok {
			return differObjects(path, want, got)
		}
	case []any:
		if got, ok := received.([]any); ok {
			return differArrays(path, want, got)
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
	return fmt.Errorf("%s: sent %s, received %s", path, show(sent), show(received))
}

func differObjects(path string, sent, received map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		got, ok := received[key]
		if !ok {
			return fmt.Errorf("%s: sent %s, received nothing", join(path, key), show(sent[key]))
		}
		if err := differ(join(path, key), sent[key], got); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(received)) {
		if _, ok := sent[key]; !ok {
			return fmt.Errorf("%s: received %s, sent nothing", join(path, key), show(received[key]))
		}
	}
	return nil
}

func differArrays(path string, sent, received []any) error {
	if len(sent) != len(received) {
		return fmt.Errorf("%s: sent %d elements, received %d", path, len(sent), len(received))
	}
	for i := range sent {
		if err := differ(path+"["+strconv.Itoa(i)+"]", sent[i], received[i]); err != nil {
			return err
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
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
