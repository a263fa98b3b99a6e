package batch_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
	"github.com/scopegate/scopegate/server/internal/transcode/transcodetest"
)

const uploadID = "3d2ab5b7-6a5b-4a52-9d5c-6a0f0b6c1c53"

var plan = transcodetest.Plan()

func checked(tb testing.TB, scope *symdbv1.Scope) transcode.Checked {
	tb.Helper()
	wire, err := proto.Marshal(scope)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := plan.Check(wire, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func named(tb testing.TB, name string) transcode.Checked {
	tb.Helper()
	return checked(tb, &symdbv1.Scope{ScopeType: "package", Name: &name})
}

func newPool(tb testing.TB, compressors int) *encode.Pool {
	tb.Helper()
	settings := encode.DefaultSettings()
	settings.ChunkBytes = 64 << 10
	settings.Compressors = compressors
	pool, err := encode.NewPool(settings)
	if err != nil {
		tb.Fatal(err)
	}
	return pool
}

func newAssembler(tb testing.TB, h *batch.Header, threshold int) *batch.Assembler {
	tb.Helper()
	a := batch.NewAssembler(h, batch.Policy{FlushThresholdBytes: threshold}, newPool(tb, 1), nil)
	tb.Cleanup(a.Discard)
	return a
}

// fileOf returns a batch's file part.
func fileOf(tb testing.TB, b *batch.Batch) []byte {
	tb.Helper()
	file, err := io.ReadAll(b.File.NewReader())
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// envelopeOf returns the envelope: the only gzip member of the file.
func envelopeOf(tb testing.TB, b *batch.Batch) []byte {
	tb.Helper()
	source := bytes.NewReader(fileOf(tb, b))
	r, err := gzip.NewReader(source)
	if err != nil {
		tb.Fatal(err)
	}
	r.Multistream(false)
	envelope, err := io.ReadAll(r)
	if err != nil || source.Len() != 0 {
		tb.Fatalf("error %v, %d bytes behind the member, want 0", err, source.Len())
	}
	if b.RawBytes != int64(len(envelope)) {
		tb.Errorf("RawBytes %d, but the envelope has %d, want %v", b.RawBytes, len(envelope), int64(len(envelope)))
	}
	return envelope
}

func header() *batch.Header {
	return &batch.Header{
		Service: "shop", Env: new("prod"), Version: new("1.4.2"), Language: "JAVA",
		UploadID: uploadID, RuntimeID: "r-1",
	}
}

// What the five uploaders send beside the common keys. A string that is absent has no key.
func TestEnvelopeAndEventOfOtherUploaders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header          batch.Header
		envelope, event string
	}{
		"nothing": {
			batch.Header{Service: "s", Language: "go", UploadID: "u"},
			`{"service":"s","language":"go","upload_id":"u","batch_num":1,"scopes":[%s],"final":false}`,
			`{"ddsource":"dd_debugger","service":"s","language":"go","runtimeId":"","type":"symdb","uploadId":"u","batchNum":1,"final":false,"attachmentSize":%d}`,
		},
		"empty": {
			batch.Header{Service: "s", Env: new(""), Version: new(""), Language: "go", UploadID: "u", ParentID: new("")},
			`{"service":"s","env":"","version":"","language":"go","upload_id":"u","batch_num":1,"scopes":[%s],"final":false}`,
			`{"ddsource":"dd_debugger","service":"s","version":"","language":"go","runtimeId":"","parentId":"","type":"symdb","uploadId":"u","batchNum":1,"final":false,"attachmentSize":%d}`,
		},
		"others": {
			batch.Header{
				Service: "s", Language: "JAVA", UploadID: "u", RuntimeID: "r", ParentID: new("p"), DDSource: "python",
				EventLanguage: "java", Additional: `"schema_version":1,"env":null`, EventAdditional: `"x":{}`,
			},
			`{"service":"s","language":"JAVA","upload_id":"u","batch_num":1,"schema_version":1,"env":null,"scopes":[%s],"final":false}`,
			`{"ddsource":"python","service":"s","language":"java","runtimeId":"r","parentId":"p","type":"symdb","uploadId":"u","batchNum":1,"final":false,"attachmentSize":%d,"x":{}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAssembler(t, &tt.header, 1<<20)
			a.Add(named(t, "a"))
			b := a.Seal().Number(1, false)
			want := fmt.Sprintf(tt.envelope, `{"scope_type":"package","name":"a","start_line":0,"end_line":0}`)
			if got := string(envelopeOf(t, b)); got != want {
				t.Errorf("envelope\n     %s\nwant %s", got, want)
			}
			want = fmt.Sprintf(tt.event, len(fileOf(t, b)))
			if got := string(b.AppendEvent(nil)); got != want {
				t.Errorf("event\n     %s\nwant %s", got, want)
			}
		})
	}
}

func TestEnvelopeAndEvent(t *testing.T) {
	t.Parallel()
	a := newAssembler(t, header(), 1<<20)
	a.Add(named(t, "a"))
	a.Add(named(t, "b"))
	first := a.Seal().Number(1, false)
	a.Add(named(t, "c"))
	last := a.Seal().Number(2, true)

	const front = `{"service":"shop","env":"prod","version":"1.4.2","language":"JAVA","upload_id":"` + uploadID + `","batch_num":`
	const scope = `{"scope_type":"package","name":"%s","start_line":0,"end_line":0}`
	tests := []struct {
		batch    *batch.Batch
		envelope string
		event    string
		count    int64
	}{
		{
			first,
			front + `1,"scopes":[` + fmt.Sprintf(scope+","+scope, "a", "b") + `],"final":false}`,
			`{"ddsource":"dd_debugger","service":"shop","version":"1.4.2","language":"JAVA","runtimeId":"r-1","type":"symdb",` +
				`"uploadId":"` + uploadID + `","batchNum":1,"final":false,"attachmentSize":%d}`,
			2,
		},
		{
			last,
			front + `2,"scopes":[` + fmt.Sprintf(scope, "c") + `],"final":true}`,
			`{"ddsource":"dd_debugger","service":"shop","version":"1.4.2","language":"JAVA","runtimeId":"r-1","type":"symdb",` +
				`"uploadId":"` + uploadID + `","batchNum":2,"final":true,"attachmentSize":%d}`,
			1,
		},
	}
	for _, tt := range tests {
		if got := string(envelopeOf(t, tt.batch)); got != tt.envelope {
			t.Errorf("envelope\n     %s\nwant %s", got, tt.envelope)
		}
		want := fmt.Sprintf(tt.event, len(fileOf(t, tt.batch)))
		if got := string(tt.batch.AppendEvent(nil)); got != want {
			t.Errorf("event\n     %s\nwant %s", got, want)
		}
		if got := string(tt.batch.AppendEvent([]byte("before "))); got != "before "+want {
			t.Errorf("event appended\n     %s\nwant %s", got, want)
		}
		if tt.batch.ScopeCount != tt.count {
			t.Errorf("ScopeCount %d, want %d", tt.batch.ScopeCount, tt.count)
		}
	}
}

// An env and a version that are not given are left out, and nothing else is.
func TestNothingGiven(t *testing.T) {
	t.Parallel()
	a := newAssembler(t, &batch.Header{}, 0)
	a.Add(named(t, "a"))
	const want = `{"service":"","language":"","upload_id":"","batch_num":1,"scopes":[` +
		`{"scope_type":"package","name":"a","start_line":0,"end_line":0}],"final":true}`
	if got := envelopeOf(t, a.Seal().Number(1, true)); string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What a client calls itself can't break out of its string.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		`","final":true,"service":"other`, `\`, `\"`, "\n\r\t\x00\x1f", "\u2028\u2029", "</script>", "", `"}]}`, "größe😀",
	} {
		h := &batch.Header{
			Service: name + "1", Env: new(name + "2"), Version: new(name + "3"),
			Language: name + "4", UploadID: name + "5", RuntimeID: name + "6",
		}
		a := newAssembler(t, h, 0)
		a.Add(named(t, name))
		b := a.Seal().Number(1, false)

		wantObject(t, envelopeOf(t, b), map[string]any{
			"service": name + "1", "env": name + "2", "version": name + "3", "language": name + "4", "upload_id": name + "5",
			"batch_num": 1.0, "final": false,
			"scopes": []any{map[string]any{"scope_type": "package", "name": name, "start_line": 0.0, "end_line": 0.0}},
		})
		wantObject(t, b.AppendEvent(nil), map[string]any{
			"ddsource": "dd_debugger", "service": name + "1", "version": name + "3", "language": name + "4", "runtimeId": name + "6",
			"type": "symdb", "uploadId": name + "5", "batchNum": 1.0, "final": false, "attachmentSize": float64(b.File.Len()),
		})
	}
}

// wantObject compares JSON with what it should say; encoding/json takes the last
// of a key that occurs twice, so their number is compared as well.
func wantObject(t *testing.T, got []byte, want map[string]any) {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(got, &object); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if fmt.Sprint(object) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", object, want)
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := bytes.Count(got, []byte(`":`)), bytes.Count(encoded, []byte(`":`)); a != b {
		t.Errorf("%d keys, want %d", a, b)
	}
}

// A batch can be read any number of times, also when the next ones are made.
func TestBatchStays(t *testing.T) {
	t.Parallel()
	a := newAssembler(t, header(), 0)
	a.Add(named(t, "first"))
	b := a.Seal().Number(1, false)
	file, event := fileOf(t, b), b.AppendEvent(nil)
	for i := range 50 {
		a.Add(named(t, fmt.Sprint(i)))
		a.Seal().Body.Release()
	}
	if !bytes.Equal(fileOf(t, b), file) || !bytes.Equal(b.AppendEvent(nil), event) {
		t.Error("the batch has changed")
	}
	if b.Num != 1 || b.Final || b.ScopeCount != 1 {
		t.Errorf("%+v, want batch 1 of one scope, not final", b)
	}
}

func ExampleAssembler() {
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		panic(err)
	}
	upload := &batch.Header{Service: "shop", Version: new("1"), Language: "go", UploadID: uploadID}
	assembler := batch.NewAssembler(upload, batch.Policy{FlushThresholdBytes: 2 << 20}, pool, nil)
	defer assembler.Discard()

	wire, err := proto.Marshal(&symdbv1.Scope{ScopeType: "package", Name: new("main")})
	if err != nil {
		panic(err)
	}
	scope, err := plan.Check(wire, 64)
	if err != nil {
		panic(err)
	}
	if assembler.Full() {
		fmt.Println("a full batch is sealed when the next scope is there")
	}
	assembler.Add(scope)
	sealed := assembler.Seal()
	defer sealed.Body.Release()

	last := sealed.Number(1, true)
	file, err := gzip.NewReader(last.File.NewReader())
	if err != nil {
		panic(err)
	}
	envelope, err := io.ReadAll(file)
	fmt.Printf("%s %v\n", envelope, err)
	// Output: {"service":"shop","version":"1","language":"go","upload_id":"3d2ab5b7-6a5b-4a52-9d5c-6a0f0b6c1c53","batch_num":1,"scopes":[{"scope_type":"package","name":"main","start_line":0,"end_line":0}],"final":true} <nil>
}
