package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canonical returns a JSON text that is the same for equal values, and only for those. A number is a
// json.Number or a float64.
func canonical(value any) string { return string(appendCanonical(nil, value)) }

func appendCanonical(dst []byte, value any) []byte {
	switch v := value.(type) {
	case json.Number:
		return append(dst, canonicalNumber(v.String())...)
	case float64:
		return append(dst, canonicalFloat(v)...)
	case string:
		return appendString(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, element := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendCanonical(dst, element)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, key), ':')
			dst = appendCanonical(dst, v[key])
		}
		return append(dst, '}')
	}
	return appendAny(dst, value)
}

// appendString appends a string as JSON.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendAny(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

// appendAny appends null, a boolean or a string that needs escapes.
func appendAny(dst []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("compare: a value of type %T: %v", value, err)) // JSON has none
	}
	return append(dst, text...)
}

// decode returns the object of a canonical text.
func decode(text string) map[string]any {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		panic(fmt.Sprintf("compare: decode what was encoded: %v", err))
	}
	return object
}

// canonicalNumber returns the shortest text of a number that a double holds, and another number as
// it is written.
func canonicalNumber(literal string) string {
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return literal
	}
	if f != 0 && !strings.ContainsAny(literal, ".eE") && strconv.FormatFloat(f, 'f', -1, 64) != literal {
		return literal // an integer that a double can't hold
	}
	return canonicalFloat(f)
}

func canonicalFloat(f float64) string {
	if f == 0 {
		return "0" // not -0
	}
	if size := math.Abs(f); size < 1e-6 || size >= 1e21 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
