package batch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// FuzzSplit splits anything that stands in place of scopes. Where that is what
// we write ourselves, the parts must be right; otherwise they must come, or an
// error.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`{"scope_type":"a","start_line":1},{"scope_type":"b","start_line":2}`), uint16(0), uint16(130))
	f.Add([]byte(`{"scope_type":"p","start_line":1,"symbols":["x"],"scopes":[`+
		`{"scope_type":"f","start_line":2},{"scope_type":"g","start_line":3}]}`), uint16(0), uint16(170))
	f.Add([]byte(`{"scope_type":"p","name":"\",\"scopes\":[{","start_line":1,"scopes":[`+
		`{"scope_type":"}]}\\","start_line":2},{"scope_type":"{\\\"","start_line":3}]}`), uint16(140), uint16(0))
	f.Add([]byte(`{"scope_type":["a"}]`), uint16(0), uint16(0))
	f.Add([]byte(`{"scope_type":"a\`), uint16(100), uint16(100))
	f.Add([]byte(`{"scope_type":-1.5E+3,"x":null,"scopes":[]}`), uint16(0), uint16(100))
	f.Add(bytes.Repeat([]byte(`{"scope_type":"a","scopes":[`), 50), uint16(0), uint16(300))
	f.Fuzz(func(t *testing.T, scopes []byte, compressedBytes, rawBytes uint16) {
		ours, roots := canonical(scopes)
		whole := sealed(string(scopes), int64(roots)).Number(1, true)
		limits := batch.Limits{CompressedBytes: int(compressedBytes), RawBytes: int64(rawBytes)}
		parts, err := whole.Split(pools[0], limits)
		_, unsplittable := errors.AsType[*batch.UnsplittableError](err)
		switch {
		case err == nil && ours:
			if err := checkParts(whole, parts, 1, limits); err != nil {
				t.Fatal(err)
			}
		case err != nil && !unsplittable && (ours || !errors.Is(err, batch.ErrMalformed)):
			t.Fatal(err)
		}
	})
}

type fuzzScope struct {
	ScopeType string          `json:"scope_type"`
	Name      *string         `json:"name,omitempty"`
	StartLine int32           `json:"start_line"`
	Other     json.RawMessage `json:"other,omitempty"`
	Symbols   []string        `json:"symbols,omitempty"`
	Scopes    []fuzzScope     `json:"scopes,omitempty"`
}

// canonical tells whether scopes is what we would write, with a different start
// line for each, and how many roots there are.
func canonical(scopes []byte) (ours bool, roots int) {
	var read []fuzzScope
	if json.Unmarshal([]byte("["+string(scopes)+"]"), &read) != nil {
		return false, 1
	}
	var again bytes.Buffer
	encoder := json.NewEncoder(&again)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(read) != nil || again.String() != "["+string(scopes)+"]\n" {
		return false, len(read)
	}
	lines := map[int32]bool{}
	return len(read) > 0 && numbered(read, lines), len(read)
}

func numbered(scopes []fuzzScope, lines map[int32]bool) bool {
	for _, s := range scopes {
		if lines[s.StartLine] || !numbered(s.Scopes, lines) {
			return false
		}
		lines[s.StartLine] = true
	}
	return true
}
