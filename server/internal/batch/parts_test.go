package batch_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

var splitHeader = &batch.Header{Service: "s", Version: new("1"), Language: "go", UploadID: "u"}

// pools have chunks of the least length, and of the usual one.
var pools = []*encode.Pool{poolOf(16 << 10), poolOf(encode.DefaultSettings().ChunkBytes)}

func poolOf(chunkBytes int) *encode.Pool {
	settings := encode.DefaultSettings()
	settings.ChunkBytes = chunkBytes
	pool, err := encode.NewPool(settings)
	if err != nil {
		panic(err)
	}
	return pool
}

// opening is what stands in front of the scopes of batch num.
func opening(num int32) string {
	return `{"service":"s","version":"1","language":"go","upload_id":"u","batch_num":` + strconv.Itoa(int(num)) + `,"scopes":[`
}

func closing(final bool) string { return `],"final":` + strconv.FormatBool(final) + `}` }

// sealed makes a batch of scopes as they stand in the JSON, with commas.
func sealed(scopes string, count int64) *batch.Sealed {
	member := pools[0].NewMember(nil)
	_, _ = io.WriteString(member, scopes)
	return &batch.Sealed{Header: splitHeader, ScopeCount: count, Body: member.Finish()}
}

// numberAll numbers the parts of a batch, as they are sent.
func numberAll(parts []*batch.Sealed, firstNum int32, final bool) []*batch.Batch {
	var batches []*batch.Batch
	for i, part := range parts {
		batches = append(batches, part.Number(firstNum+int32(i), final && i == len(parts)-1))
	}
	return batches
}

// scopesOf reads a batch, which must be one gzip member with an envelope that
// says what b says, and returns what stands between the brackets.
func scopesOf(b *batch.Batch) (string, error) {
	if b.Header != splitHeader {
		return "", errors.New("another header")
	}
	compressed, err := io.ReadAll(b.File.NewReader())
	if err != nil {
		return "", err
	}
	if len(compressed) != b.File.Len() {
		return "", fmt.Errorf("%d bytes instead of %d", len(compressed), b.File.Len())
	}
	source := strings.NewReader(string(compressed))
	member, err := gzip.NewReader(source)
	if err != nil {
		return "", err
	}
	member.Multistream(false)
	raw, err := io.ReadAll(member)
	if err != nil {
		return "", err
	}
	if source.Len() > 0 {
		return "", fmt.Errorf("%d bytes follow the gzip member", source.Len())
	}
	if int64(len(raw)) != b.RawBytes {
		return "", fmt.Errorf("%d bytes of JSON instead of %d", len(raw), b.RawBytes)
	}
	text, opened := strings.CutPrefix(string(raw), opening(b.Num))
	text, closed := strings.CutSuffix(text, closing(b.Final))
	if !opened || !closed {
		return "", fmt.Errorf("batch %d, final %v has the envelope %s", b.Num, b.Final, raw)
	}
	return text, nil
}

// node is a scope that was read again.
type node struct {
	name    batch.ScopeName
	own     string // the keys but for symbols and scopes, in the order of their bytes
	symbols []json.RawMessage
	scopes  []*node
}

// parse reads the scopes of an array.
func parse(array []byte) ([]*node, error) {
	var scopes []map[string]json.RawMessage
	if err := json.Unmarshal(array, &scopes); err != nil {
		return nil, err
	}
	var nodes []*node
	for _, keys := range scopes {
		n := &node{}
		if err := errors.Join(
			unmarshal(keys["scope_type"], &n.name.ScopeType),
			unmarshal(keys["name"], &n.name.Name),
			unmarshal(keys["symbols"], &n.symbols),
		); err != nil {
			return nil, err
		}
		if children := keys["scopes"]; children != nil {
			var err error
			if n.scopes, err = parse(children); err != nil {
				return nil, err
			}
		}
		delete(keys, "symbols")
		delete(keys, "scopes")
		own, err := json.Marshal(keys)
		if err != nil {
			return nil, err
		}
		n.own = string(own)
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func unmarshal(value json.RawMessage, to any) error {
	if value == nil {
		return nil
	}
	return json.Unmarshal(value, to)
}

// merge joins scopes with the same keys of their own, as a backend does.
func merge(scopes []*node) []*node {
	var merged []*node
	byKeys := map[string]*node{}
	for _, n := range scopes {
		if first, ok := byKeys[n.own]; ok {
			first.symbols = append(first.symbols, n.symbols...)
			first.scopes = append(first.scopes, n.scopes...)
			continue
		}
		byKeys[n.own] = n
		merged = append(merged, n)
	}
	for _, n := range merged {
		n.scopes = merge(n.scopes)
	}
	return merged
}

// render writes scopes so that they can be compared.
func render(scopes []*node) string {
	var out strings.Builder
	for _, n := range scopes {
		fmt.Fprintf(&out, "%s %s {\n%s}\n", n.own, n.symbols, render(n.scopes))
	}
	return out.String()
}

// checkParts tells what is wrong with the parts of a batch, whose scopes have
// all different keys of their own.
func checkParts(whole *batch.Batch, sealed []*batch.Sealed, firstNum int32, limits batch.Limits) error {
	parts := numberAll(sealed, firstNum, whole.Final)
	text, err := scopesOf(whole)
	if err != nil {
		return err
	}
	want, err := parse([]byte("[" + text + "]"))
	if err != nil {
		return err
	}
	var all, previous []*node
	var ended int64
	for i, part := range parts {
		if limits.CompressedBytes > 0 && part.File.Len() > limits.CompressedBytes {
			return fmt.Errorf("part %d has %d bytes", i, part.File.Len())
		}
		if limits.RawBytes > 0 && part.RawBytes > limits.RawBytes {
			return fmt.Errorf("part %d has %d bytes of JSON", i, part.RawBytes)
		}
		text, err := scopesOf(part)
		if err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
		scopes, err := parse([]byte("[" + text + "]"))
		if err != nil {
			return fmt.Errorf("part %d: %w: %s", i, err, text)
		}
		if len(scopes) == 0 {
			return fmt.Errorf("part %d is empty", i)
		}
		if i > 0 {
			count := int64(len(previous))
			if previous[len(previous)-1].own == scopes[0].own {
				count--
			}
			if got := parts[i-1].ScopeCount; got != count {
				return fmt.Errorf("part %d says that %d scopes end in it, and %d do", i-1, got, count)
			}
			ended += count
		}
		all, previous = append(all, scopes...), scopes
	}
	if ended += parts[len(parts)-1].ScopeCount; ended != whole.ScopeCount {
		return fmt.Errorf("%d scopes end in the parts, and %d in the whole", ended, whole.ScopeCount)
	}
	if got, want := render(merge(all)), render(want); got != want {
		return fmt.Errorf("merged, the parts are\n%s\ninstead of\n%s", got, want)
	}
	return nil
}
