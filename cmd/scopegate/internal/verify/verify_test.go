package verify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/verify"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/gziptest"
)

var metadata = client.Metadata{
	Service: "shop", Env: new("test"), Version: new("1"), Language: "ruby", UploadID: "id", RuntimeID: "run",
}

func sent() []*symdbv1.Scope {
	local := func() *symdbv1.Scope {
		return &symdbv1.Scope{ScopeType: "local", Scopes: []*symdbv1.Scope{{ScopeType: "inner"}}}
	}
	return []*symdbv1.Scope{
		{
			ScopeType: "FILE", Name: new("a.rb"), EndLine: 9,
			Symbols: []*symdbv1.Symbol{{Name: new("x"), SymbolType: "LOCAL"}},
			LanguageSpecifics: &symdbv1.LanguageSpecifics{
				Additional: map[string]*structpb.Value{"weight": structpb.NewNumberValue(0.5)},
			},
			// Children with the same own keys.
			Scopes: []*symdbv1.Scope{local(), local(), {ScopeType: "METHOD", Name: new("m")}},
		},
		{ScopeType: "FILE", Name: new("b.rb")},
	}
}

func sequence(scopes []*symdbv1.Scope) iter.Seq2[*symdbv1.Scope, error] {
	return func(yield func(*symdbv1.Scope, error) bool) {
		for _, scope := range scopes {
			if !yield(scope, nil) {
				return
			}
		}
	}
}

func envelope(t *testing.T, batchNum int, final bool, scopes ...*symdbv1.Scope) string {
	t.Helper()
	var objects []string
	for _, scope := range scopes {
		text, err := json.Marshal(verify.Object(scope))
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, string(text))
	}
	return fmt.Sprintf(`{"service":"shop","env":"test","version":"1","language":"ruby","upload_id":"id","batch_num":%d,`+
		`"scopes":[%s],"final":%t}`, batchNum, strings.Join(objects, ","), final)
}

func event(batchNum int, final bool, attachmentBytes int) string {
	return fmt.Sprintf(`{"ddsource":"dd_debugger","service":"shop","version":"1","language":"ruby","runtimeId":"run",`+
		`"type":"symdb","uploadId":"id","batchNum":%d,"final":%t,"attachmentSize":%d}`, batchNum, final, attachmentBytes)
}

func opened(file []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }
}

func batches(t *testing.T, envelopes ...string) []verify.Batch {
	t.Helper()
	out := make([]verify.Batch, len(envelopes))
	for i, text := range envelopes {
		file := gziptest.Compress(t, text)
		out[i] = verify.Batch{Event: []byte(event(i+1, i == len(envelopes)-1, len(file))), Open: opened(file)}
	}
	return out
}

func TestUploadWhole(t *testing.T) {
	t.Parallel()
	scopes := sent()
	text := envelope(t, 1, true, scopes...)
	result, err := verify.Upload(metadata, sequence(sent()), batches(t, text))
	if err != nil {
		t.Fatal(err)
	}
	want := verify.Result{
		ScopeCount: 2, PartCount: 2, BatchCount: 1,
		RawBytes: int64(len(text)), CompressedBytes: int64(len(gziptest.Compress(t, text))),
	}
	if result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
}

// parts returns the scopes of sent(), the first one in three parts, two of them in the
// middle of the second local.
func parts() []*symdbv1.Scope {
	scopes := sent()
	root := func(children ...*symdbv1.Scope) *symdbv1.Scope {
		part := proto.CloneOf(scopes[0])
		part.Symbols, part.Scopes = nil, children
		return part
	}
	bare := func() *symdbv1.Scope { return &symdbv1.Scope{ScopeType: "local"} }
	first := root(scopes[0].GetScopes()[0], bare())
	first.Symbols = scopes[0].GetSymbols()
	return []*symdbv1.Scope{first, root(scopes[0].GetScopes()[1]), root(scopes[0].GetScopes()[2]), scopes[1]}
}

func TestUploadOfParts(t *testing.T) {
	t.Parallel()
	p := parts()
	result, err := verify.Upload(metadata, sequence(sent()),
		batches(t, envelope(t, 1, false, p[0], p[1]), envelope(t, 2, true, p[2], p[3])))
	want := verify.Result{ScopeCount: 2, PartCount: 4, BatchCount: 2, RawBytes: result.RawBytes, CompressedBytes: result.CompressedBytes}
	if err != nil || result != want {
		t.Errorf("got %+v, %v, want %+v", result, err, want)
	}
}

func TestUploadFindsDifferences(t *testing.T) {
	t.Parallel()
	changed := func(change func(scopes []*symdbv1.Scope) []*symdbv1.Scope) string {
		return envelope(t, 1, true, change(sent())...)
	}
	part := func(change func(parts []*symdbv1.Scope)) string {
		p := parts()
		change(p)
		return envelope(t, 1, true, p...)
	}
	for name, test := range map[string]struct{ envelope, want string }{
		"line": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0].Scopes[2].EndLine = 1
			return s
		}), `FILE "a.rb" > METHOD "m": end_line: sent 0, received 1`},
		"null": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0].Symbols[0].Type = new("")
			return s
		}), `FILE "a.rb" > LOCAL "x": type: sent null, received ""`},
		"number": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0].LanguageSpecifics.Additional["weight"] = structpb.NewNumberValue(0.25)
			return s
		}), `FILE "a.rb": language_specifics.weight: sent 0.5, received 0.25`},
		"absent": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[1].Name = nil
			return s
		}), `FILE "b.rb": sent, but not received`},
		"present": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[1].SourceFile = new("")
			return s
		}), `FILE "b.rb": source_file: sent nothing, received ""`},
		"child missing": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0].Scopes = s[0].Scopes[:2]
			return s
		}), `FILE "a.rb" > METHOD "m": sent, but not received`},
		"child too many": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[1].Scopes = []*symdbv1.Scope{{ScopeType: "METHOD"}}
			return s
		}), `FILE "b.rb" > METHOD: received, but not sent`},
		"grandchild missing": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0].Scopes[0].Scopes = nil
			return s
		}), `FILE "a.rb" > local > inner: sent 2 times, received once`},
		"order": {changed(func(s []*symdbv1.Scope) []*symdbv1.Scope {
			s[0], s[1] = s[1], s[0]
			return s
		}), `scopes[0]: sent FILE "a.rb", received FILE "b.rb"`},
		"scope missing": {
			changed(func(s []*symdbv1.Scope) []*symdbv1.Scope { return s[:1] }),
			`FILE "b.rb": sent, but not received`,
		},
		"scope twice": {
			changed(func(s []*symdbv1.Scope) []*symdbv1.Scope { return append(s, s[1]) }),
			`FILE "b.rb": sent once, received 2 times`,
		},
		"part missing":            {part(func(p []*symdbv1.Scope) { p[2] = p[3] }), `FILE "a.rb" > METHOD "m": sent, but not received`},
		"symbols in a later part": {part(func(p []*symdbv1.Scope) { p[1].Symbols = p[0].GetSymbols() }), `FILE "a.rb" > LOCAL "x": received, but not sent`},
		"part of another root":    {part(func(p []*symdbv1.Scope) { p[1].EndLine = 3 }), `FILE "a.rb": end_line: sent 9, received 3`},
		"env":                     {strings.Replace(envelope(t, 1, true, sent()...), `"test"`, `"prod"`, 1), "env: received prod"},
		"no env":                  {strings.Replace(envelope(t, 1, true, sent()...), `"env":"test",`, ``, 1), "received version, expected env"},
		"batch number":            {envelope(t, 2, true, sent()...), "batch_num: received 2, expected 1"},
		"not final":               {envelope(t, 1, false, sent()...), "final: received false, expected true"},
		"something after it":      {envelope(t, 1, true, sent()...) + "{}", "follows the envelope"},
		"cut off":                 {`{"service":"shop"`, "expect env"},
		"no upload":               {`{}`, "expected service"},
	} {
		_, err := verify.Upload(metadata, sequence(sent()), batches(t, test.envelope))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v\nwant %s", name, err, test.want)
		}
	}
}

func TestUploadChecksFileAndEvent(t *testing.T) {
	t.Parallel()
	file := gziptest.Compress(t, envelope(t, 1, true, sent()...))
	twice := append(bytes.Clone(file), file...)
	for name, test := range map[string]struct {
		batch verify.Batch
		want  string
	}{
		"two members": {verify.Batch{Event: []byte(event(1, true, len(twice))), Open: opened(twice)}, "data after the gzip member"},
		"cut off":     {verify.Batch{Event: []byte(event(1, true, 100)), Open: opened(file[:100])}, "unexpected EOF"},
		"no gzip":     {verify.Batch{Open: opened([]byte("plain"))}, "decompress"},
		"size":        {verify.Batch{Event: []byte(event(1, true, 1)), Open: opened(file)}, "event: attachmentSize: sent"},
		"no event":    {verify.Batch{Open: opened(file)}, "event: decode"},
		"not there":   {verify.Batch{Open: func() (io.ReadCloser, error) { return nil, io.ErrNoProgress }}, "open: "},
	} {
		_, err := verify.Upload(metadata, sequence(sent()), []verify.Batch{test.batch})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestUploadReturnsErrorsOfTheSequence(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	scopes := func(yield func(*symdbv1.Scope, error) bool) { yield(nil, broken) }
	_, err := verify.Upload(metadata, scopes, batches(t, envelope(t, 1, true, sent()...)))
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func ExampleUpload() {
	scope := &symdbv1.Scope{ScopeType: "FILE"}
	scopes := func(yield func(*symdbv1.Scope, error) bool) { yield(scope, nil) }
	_, err := verify.Upload(metadata, scopes, nil)
	fmt.Println(err)
	// Output: FILE: sent, but not received
}
