package devintake_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/server/devintake"
)

// lenientScopes are scopes with deviations, as "KIND COUNT: EXAMPLE".
var lenientScopes = map[string]struct {
	text string
	want []string
}{
	"nulls": {
		`{"scope_type":"class","name":null,"source_file":null,"start_line":0,"end_line":0,"has_injectible_lines":null,` +
			`"injectible_lines":null,"language_specifics":null,"symbols":null,"scopes":null}`,
		[]string{"null 7: scopes[0].name: is null: omit the key"},
	},
	"nulls in specifics": {
		`{"scope_type":"class","start_line":0,"end_line":0,"language_specifics":{"annotations":null,"return_type":null,"new":null}}`,
		[]string{"null 2: scopes[0].language_specifics.annotations: is null: omit the key"},
	},
	"empties": {
		`{"scope_type":"class","start_line":0,"end_line":0,"injectible_lines":[],"language_specifics":{},"symbols":[],"scopes":[]}`,
		[]string{"empty 4: scopes[0].injectible_lines: is empty: omit the key"},
	},
	"empty list of names": {
		`{"scope_type":"class","start_line":0,"end_line":0,"language_specifics":{"interfaces":[],"available_line_ranges":[]}}`,
		[]string{"empty 2: scopes[0].language_specifics.interfaces: is empty: omit the key"},
	},
	"order": {
		`{"end_line":0,"scope_type":"class","start_line":0,"scopes":[{"scopes":[{"scope_type":"x","start_line":0,"end_line":0}],` +
			`"scope_type":"method","start_line":0,"end_line":0}]}`,
		[]string{`key_order 5: scopes[0].scope_type: is out of order: it must precede "end_line"`},
	},
	"order of symbols and ranges": {
		`{"scope_type":"class","start_line":0,"end_line":0,"injectible_lines":[{"end":2,"start":1}],` +
			`"symbols":[{"symbol_type":"FIELD","name":"x","line":0,"type":null}]}`,
		[]string{`key_order 3: scopes[0].injectible_lines[0].start: is out of order: it must precede "end"`},
	},
	"missing": {
		`{"scope_type":"class","symbols":[{"name":"x","symbol_type":"ARG","line":0}]}`,
		[]string{"missing_key 3: scopes[0].symbols[0].type: missing"},
	},
}

func shown(deviations []devintake.Deviation) []string {
	var texts []string
	for _, d := range deviations {
		texts = append(texts, fmt.Sprintf("%s %d: %s", d.Kind, d.Count, d.Example))
	}
	return texts
}

func TestLenientScopes(t *testing.T) {
	t.Parallel()
	for name, test := range lenientScopes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			envelope := envelopeOf(uploadID, 1, true, test.text)
			if _, err := devintake.CheckEnvelope(strings.NewReader(envelope)); err == nil && !strings.HasPrefix(name, "empty list") {
				t.Error("accepted strictly, want an error")
			}
			count, deviations, err := devintake.CheckEnvelopeLeniently(strings.NewReader(envelope))
			if err != nil || count != 1 {
				t.Fatalf("%d scopes, %v, want 1", count, err)
			}
			if diff := gocmp.Diff(test.want, shown(deviations)); diff != "" {
				t.Errorf("deviations (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLenientRefuses: what no uploader sends is refused in lenient mode as well.
func TestLenientRefuses(t *testing.T) {
	t.Parallel()
	const lines = `"start_line":0,"end_line":0`
	for scope, want := range map[string]string{
		`{"scope_type":null,` + lines + `}`:                            "scopes[0].scope_type: want a string, not null",
		`{"scope_type":"x","start_line":null,"end_line":0}`:            "scopes[0].start_line: want an integer, not null",
		`{"scope_type":"x",` + lines + `,"symbols":[null]}`:            "scopes[0].symbols[0]: want an object, not null",
		`{"scope_type":"x",` + lines + `,"symbols":[{"name":null}]}`:   "scopes[0].symbols[0].name: want a string, not null",
		`{"scope_type":"x",` + lines + `,"injectible_lines":[{}]}`:     "scopes[0].injectible_lines[0].start: missing",
		`{"scope_type":"x",` + lines + `,"name":"a","name":"b"}`:       `duplicate key "name"`,
		`{"scope_type":"x",` + lines + `,"symbols":[{"name":"a"}]}`:    "symbol_type: missing",
		`{"name":"x",` + lines + `}`:                                   "scopes[0].scope_type: missing",
		`{"scope_type":"x",` + lines + `,"has_injectible_lines":"no"}`: "want a boolean, not a string",
	} {
		_, _, err := devintake.CheckEnvelopeLeniently(strings.NewReader(envelopeOf(uploadID, 1, true, scope)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", scope, err, want)
		}
	}
}

// replaced returns a text with from replaced by to, and panics if it is not there.
func replaced(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic("the test wants to replace " + from)
	}
	return strings.Replace(text, from, to, 1)
}

// lenientRequests are requests that only a lenient intake accepts.
var lenientRequests = map[string]struct {
	change func(testing.TB, *request)
	want   []string
}{
	"event first": {func(_ testing.TB, r *request) {
		r.body = func(file, event string) string { return event + file + "--XX--\r\n" }
	}, []string{"part_order 1: body: the event part comes first"}},
	"file name": {func(_ testing.TB, r *request) {
		r.fileHeaders = replaced(r.fileHeaders, "file.gz", "symbols_7.json.gz")
	}, []string{`part_header 1: file: header Content-Disposition: is ["form-data; name=\"file\"; filename=\"symbols_7.json.gz\""], ` +
		`want "form-data; name=\"file\"; filename=\"file.gz\""`}},
	"part headers": {func(_ testing.TB, r *request) {
		r.fileHeaders = replaced(r.fileHeaders, "application/gzip", "gzip\r\nContent-Length: 3\r\nContent-Transfer-Encoding: binary")
	}, []string{`part_header 3: file: header Content-Type: is ["gzip"], want "application/gzip"`}},
	"not compressed": {func(_ testing.TB, r *request) {
		r.gzip = []byte(r.envelope)
	}, []string{"not_compressed 1: file: not compressed"}},
	"not compressed, in lines": {func(_ testing.TB, r *request) {
		r.gzip = []byte("\r\n" + strings.ReplaceAll(r.envelope, ",", ",\n"))
	}, []string{"not_compressed 1: file: not compressed"}},
	"chunked": {func(_ testing.TB, r *request) {
		r.chunked = true
	}, []string{"chunked 1: header Content-Length: missing (the body is chunked)"}},
	"tags": {func(_ testing.TB, r *request) {
		r.header.Set("X-Datadog-Additional-Tags", "a:b,,c")
	}, []string{`request_header 1: header X-Datadog-Additional-Tags: empty tag`}},
	"no request id": {func(_ testing.TB, r *request) {
		r.path = "/api/v2/debugger"
	}, []string{"request_header 3: header DD-API-KEY: missing"}},
	"envelope order": {func(_ testing.TB, r *request) {
		r.envelope = replaced(replaced(r.envelope, `"upload_id":"`+uploadID+`","batch_num":1,`, ``), `"final":true`,
			`"upload_id":"`+uploadID+`","batch_num":1,"final":true`)
	}, []string{`key_order 2: file: upload_id: is out of order: it must precede "scopes"`}},
	"no final": {func(_ testing.TB, r *request) {
		r.envelope, r.event = replaced(r.envelope, `,"final":true`, ``), replaced(r.event, `true`, `false`)
	}, []string{"missing_key 1: file: final: missing"}},
	"short event": {func(_ testing.TB, r *request) {
		r.event = `{"ddsource":"dd_debugger","service":"shop","runtimeId":"r-1"}`
	}, []string{
		"event_differs 1: event: version: is missing or null, but the envelope has one",
		"missing_key 6: event: language: missing",
	}},
	"event version": {func(_ testing.TB, r *request) {
		r.event = replaced(r.event, `"1.2"`, `"1.3"`)
	}, []string{`event_differs 1: event: version: is "1.3", want "1.2"`}},
}

func TestLenientRequests(t *testing.T) {
	t.Parallel()
	for name, test := range lenientRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := batchRequest(uploadID, 1, true)
			test.change(t, req)
			if rec := req.send(t, newIntake(t, devintake.Options{})); rec.Code != http.StatusBadRequest {
				t.Errorf("strictly: status %d, want %d", rec.Code, http.StatusBadRequest)
			}
			dir := t.TempDir()
			in := newIntake(t, devintake.Options{Dir: dir, Lenient: true})
			mustAccept(t, in, req)
			upload, _ := in.Upload(uploadID)
			if diff := gocmp.Diff(test.want, shown(upload.Deviations)); diff != "" {
				t.Errorf("deviations (-want +got):\n%s", diff)
			}
			again, _ := newIntake(t, devintake.Options{Dir: dir, Lenient: true}).Upload(uploadID)
			if fmt.Sprint(again) != fmt.Sprint(upload) {
				t.Errorf("after loading\n%+v, want\n%+v", again, upload)
			}
			scopes := 0
			for scope, err := range in.Scopes(uploadID) {
				if err != nil || strings.ReplaceAll(string(scope), "\n", "") != goodScope {
					t.Errorf("scope %s, %v, want %s", scope, err, goodScope)
				}
				scopes++
			}
			if scopes != 1 {
				t.Errorf("%d scopes, want 1", scopes)
			}
		})
	}
}

// TestNotes: these are listed in both modes, and refused in none.
func TestNotes(t *testing.T) {
	t.Parallel()
	const lines = `"start_line":0,"end_line":0`
	for name, test := range map[string]struct {
		change func(*request)
		want   []string
	}{
		"ddsource": {func(r *request) {
			r.event = replaced(r.event, "dd_debugger", "ruby")
		}, []string{`ddsource 1: event: ddsource: is "ruby", not "dd_debugger"`}},
		"language": {func(r *request) {
			r.envelope = replaced(r.envelope, `"go"`, `"GO"`)
		}, []string{`event_differs 1: event: language: is "go", not "GO" as in the envelope`}},
		"unknown keys": {func(r *request) {
			r.envelope = replaced(r.envelope, `{`, `{"schema_version":1,`)
			r.event = replaced(r.event, `{`, `{"new":[1, 2],`)
		}, []string{`unknown_key 2: file: unknown key "schema_version"`}},
		"nulls": {func(r *request) {
			r.envelope = replaced(replaced(r.envelope, `"env":"prod","version":"1.2",`, ``), `"scopes"`, `"env":null,"version":null,"scopes"`)
			r.event = replaced(replaced(r.event, `"1.2"`, `null`), `{`, `{"parentId":null,`)
		}, []string{"null 4: file: env: is null: omit the key"}},
		"lines": {func(r *request) {
			r.envelope = replaced(r.envelope, goodScope, `{"scope_type":"x",`+lines+`,"symbols":[`+
				`{"name":"a","type":null,"symbol_type":"field"},{"name":"b","type":null,"symbol_type":"FIELD"},`+
				`{"name":"c","type":null,"symbol_type":"arg"},{"name":"d","type":null,"symbol_type":"arg","line":0}]}`)
		}, []string{"missing_line 2: file: scopes[0].symbols[1].line: missing, although symbol_type is not exactly field"}},
		"more keys": {func(r *request) {
			r.envelope = replaced(r.envelope, goodScope, `{"scope_type":"x",`+lines+
				`,"symbols":[{"name":"a","type":null,"symbol_type":"field","b":1}],"c":null}`)
		}, []string{`unknown_key 2: file: scopes[0].symbols[0]: unknown key "b"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, lenient := range []bool{false, true} {
				var receipts []devintake.Receipt
				in := newIntake(t, devintake.Options{Lenient: lenient, OnBatch: func(r devintake.Receipt) { receipts = append(receipts, r) }})
				for num := range 2 {
					req := batchRequest(uploadID, num+1, num == 1)
					test.change(req)
					mustAccept(t, in, req)
				}
				if diff := gocmp.Diff(test.want, shown(receipts[0].Deviations)); diff != "" || len(receipts[1].Deviations) != 0 {
					t.Errorf("lenient %t: second batch %v, want no deviations; first (-want +got):\n%s", lenient, receipts[1].Deviations, diff)
				}
				upload, _ := in.Upload(uploadID)
				if len(upload.Deviations) != 1 || upload.Deviations[0].Count != 2*receipts[0].Deviations[0].Count || upload.Deviations[0].BatchNum != 1 {
					t.Errorf("lenient %t: deviations %+v, want those of the first batch twice", lenient, upload.Deviations)
				}
			}
		})
	}
}

func TestRecordsTheSender(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	req := batchRequest(uploadID, 1, true)
	req.path += "?ddtags=" + "b:2,c:3%20x"
	for name, value := range map[string]string{
		"X-Datadog-Additional-Tags": "a:1,b:2", "Datadog-Container-ID": "c-1", "Datadog-Entity-ID": "in-7",
		"Datadog-External-Env": "it-false,cn-shop", "DD-EVP-ORIGIN": "agent-symdb",
	} {
		req.header.Set(name, value)
	}
	req.envelope = replaced(replaced(req.envelope, `{`, `{"schema_version": 1,`), `"1.2"`, `null`)
	req.event = replaced(replaced(req.event, `"version":"1.2",`, ``), `"language":"go"`, `"language":"Go","parentId":"p","new":{"a":[ ]}`)
	req.event = replaced(req.event, "dd_debugger", "python")
	in := newIntake(t, devintake.Options{Dir: dir})
	mustAccept(t, in, req)
	want := devintake.Sender{
		Headers: devintake.Headers{
			Tags: []string{"a:1", "b:2", "c:3 x"}, ContainerID: "c-1", EntityID: "in-7",
			ExternalEnv: "it-false,cn-shop", EVPOrigin: "agent-symdb",
		},
		DDSource: "python", ParentID: new("p"), EventLanguage: "Go",
		Additional:      map[string]json.RawMessage{"schema_version": json.RawMessage("1"), "version": json.RawMessage("null")},
		EventAdditional: map[string]json.RawMessage{"new": json.RawMessage(`{"a":[ ]}`)},
	}
	for _, in := range []*devintake.Intake{in, newIntake(t, devintake.Options{Dir: dir})} {
		upload, _ := in.Upload(uploadID)
		if diff := gocmp.Diff(want, upload.Sender); diff != "" {
			t.Errorf("upload (-want +got):\n%s", diff)
		}
		if diff := gocmp.Diff(want, upload.Batches[0].Sender); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
		if !upload.HasEnv || upload.HasVersion {
			t.Errorf("has env %t, has version %t, want true and false", upload.HasEnv, upload.HasVersion)
		}
	}
	kinds := slices.SortedFunc(slices.Values(in.Uploads()[0].Deviations), func(a, b devintake.Deviation) int { return cmp.Compare(a.Kind, b.Kind) })
	if got, want := len(kinds), 4; got != want {
		t.Errorf("%d deviations %v, want %d", got, kinds, want)
	}
}

// A value that is kept may be cut by the buffer anywhere.
func TestKeepsLongValues(t *testing.T) {
	t.Parallel()
	value := `["` + strings.Repeat("é", 10_000) + `",` + strings.Repeat("12,", 10_000) + `{}]`
	req := batchRequest(uploadID, 1, true)
	req.envelope = replaced(req.envelope, `"scopes"`, `"x":`+value+`,"scopes"`)
	in := newIntake(t, devintake.Options{})
	mustAccept(t, in, req)
	upload, _ := in.Upload(uploadID)
	if got := string(upload.Additional["x"]); got != value {
		t.Errorf("kept %d bytes, want the %d that were sent", len(got), len(value))
	}
}

func TestPlainBatches(t *testing.T) {
	t.Parallel()
	in := newIntake(t, devintake.Options{Lenient: true})
	req := batchRequest(uploadID, 1, true)
	req.gzip = []byte(req.envelope)
	mustAccept(t, in, req)
	rec := get(t, in, "/uploads/"+uploadID+"/batches/1")
	if rec.Body.String() != req.envelope || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%s %q, want %q as application/json", rec.Header(), rec.Body, req.envelope)
	}
	if batch, _ := in.Batch(uploadID, 1); !batch.Plain || batch.CompressedBytes != int64(len(req.envelope)) {
		t.Errorf("batch %+v, want a plain one of %d bytes", batch, len(req.envelope))
	}
}
