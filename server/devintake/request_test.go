package devintake_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/integration/gziptest"
	"github.com/scopegate/scopegate/server/devintake"
)

const uploadID = "0191c1f2-7a1b-7c3d-8e4f-5a6b7c8d9e0f"

const goodScope = `{"scope_type":"package","name":"main","start_line":0,"end_line":0}`

// request is a request written by hand; a test changes what it wants wrong.
type request struct {
	method, path    string
	header          http.Header
	chunked         bool
	envelope        string
	gzip            []byte // in place of the gzipped envelope
	fileHeaders     string
	event           string
	eventHeaders    string
	attachmentBytes int // in place of the file part's length
	body            func(file, event string) string
}

func envelopeOf(id string, num int, final bool, scopes ...string) string {
	return fmt.Sprintf(`{"service":"shop","env":"prod","version":"1.2","language":"go","upload_id":%q,"batch_num":%d,"scopes":[%s],"final":%t}`,
		id, num, strings.Join(scopes, ","), final)
}

func eventOf(id string, num int, final bool) string {
	return fmt.Sprintf(`{"ddsource":"dd_debugger","service":"shop","version":"1.2","language":"go","runtimeId":"r-1","type":"symdb","uploadId":%q,"batchNum":%d,"final":%t,"attachmentSize":SIZE}`,
		id, num, final)
}

func batchRequest(id string, num int, final bool, scopes ...string) *request {
	if len(scopes) == 0 {
		scopes = []string{goodScope}
	}
	return &request{
		method:       http.MethodPost,
		path:         "/symdb/v1/input",
		header:       http.Header{"Content-Type": {"multipart/form-data; boundary=XX"}},
		envelope:     envelopeOf(id, num, final, scopes...),
		fileHeaders:  "Content-Disposition: form-data; name=\"file\"; filename=\"file.gz\"\r\nContent-Type: application/gzip\r\n",
		event:        eventOf(id, num, final),
		eventHeaders: "Content-Disposition: form-data; name=\"event\"; filename=\"event.json\"\r\nContent-Type: application/json\r\n",
	}
}

func (r *request) build(tb testing.TB) *http.Request {
	tb.Helper()
	file := r.gzip
	if file == nil {
		file = gziptest.Compress(tb, r.envelope)
	}
	size := len(file)
	if r.attachmentBytes != 0 {
		size = r.attachmentBytes
	}
	event := strings.ReplaceAll(r.event, "SIZE", fmt.Sprint(size))
	filePart := "--XX\r\n" + r.fileHeaders + "\r\n" + string(file) + "\r\n"
	eventPart := "--XX\r\n" + r.eventHeaders + "\r\n" + event + "\r\n"
	body := filePart + eventPart + "--XX--\r\n"
	if r.body != nil {
		body = r.body(filePart, eventPart)
	}
	req := httptest.NewRequestWithContext(tb.Context(), r.method, r.path, strings.NewReader(body))
	req.Header = r.header
	if r.chunked {
		req.ContentLength = -1
		req.TransferEncoding = []string{"chunked"}
	}
	return req
}

func (r *request) send(tb testing.TB, in http.Handler) *httptest.ResponseRecorder {
	tb.Helper()
	rec := httptest.NewRecorder()
	in.ServeHTTP(rec, r.build(tb))
	return rec
}

func newIntake(tb testing.TB, opts devintake.Options) *devintake.Intake {
	tb.Helper()
	in, err := devintake.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

func reasonOf(tb testing.TB, rec *httptest.ResponseRecorder) string {
	tb.Helper()
	var refusal devintake.Refusal
	if err := json.Unmarshal(rec.Body.Bytes(), &refusal); err != nil {
		tb.Fatalf("body %q: %v", rec.Body, err)
	}
	if refusal.Status != rec.Code {
		tb.Errorf("body says status %d, header %d, want %v", refusal.Status, rec.Code, rec.Code)
	}
	return refusal.Reason
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	var receipts []devintake.Receipt
	in := newIntake(t, devintake.Options{OnBatch: func(r devintake.Receipt) { receipts = append(receipts, r) }})
	req := batchRequest(uploadID, 1, true)
	rec := req.send(t, in)
	if rec.Code != http.StatusAccepted {
		t.Fatalf("status %d: %s, want %v", rec.Code, rec.Body, http.StatusAccepted)
	}
	want := devintake.Receipt{
		Path: "/symdb/v1/input", UploadID: uploadID, RuntimeID: "r-1",
		Service: "shop", Env: "prod", Version: "1.2", Language: "go",
		BatchNum: 1, Final: true, ScopeCount: 1,
		RawBytes: int64(len(req.envelope)), CompressedBytes: int64(len(gziptest.Compress(t, req.envelope))),
	}
	if diff := cmp.Diff([]devintake.Receipt{want}, receipts); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

func TestAcceptsRoutes(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*request){
		"agent with tags": func(r *request) { r.header.Set("X-Datadog-Additional-Tags", "env:prod,version:1:2") },
		"direct": func(r *request) {
			r.path = "/api/v2/debugger"
			r.header.Set("DD-API-KEY", "key")
			r.header.Set("DD-EVP-ORIGIN", "scopegate")
			r.header.Set("DD-REQUEST-ID", uploadID)
		},
		"another path":     func(r *request) { r.path = "/any/thing?x=1" },
		"a post to a list": func(r *request) { r.path = "/uploads" },
		"no env":           func(r *request) { r.envelope = strings.Replace(r.envelope, `"env":"prod",`, "", 1) },
		"an empty env":     func(r *request) { r.envelope = strings.Replace(r.envelope, `"prod"`, `""`, 1) },
		"no version": func(r *request) {
			r.envelope = strings.Replace(r.envelope, `"version":"1.2",`, "", 1)
			r.event = strings.Replace(r.event, `"version":"1.2",`, "", 1)
		},
		"white space": func(r *request) { r.envelope = strings.ReplaceAll(r.envelope, ",", " ,\n") + "\n" },
		"event in another order": func(r *request) {
			r.event = strings.Replace(r.event, `"ddsource":"dd_debugger",`, "", 1)
			r.event = strings.Replace(r.event, `}`, `,"ddsource":"dd_debugger"}`, 1)
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := batchRequest(uploadID, 1, true)
			change(req)
			if rec := req.send(t, newIntake(t, devintake.Options{})); rec.Code != http.StatusAccepted {
				t.Errorf("status %d: %s, want %v", rec.Code, rec.Body, http.StatusAccepted)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	swap := func(of func(*request) *string, from, to string) func(*request) {
		return func(r *request) {
			text := of(r)
			if !strings.Contains(*text, from) {
				panic("the test wants to replace " + from)
			}
			*text = strings.Replace(*text, from, to, 1)
		}
	}
	envelope := func(from, to string) func(*request) {
		return swap(func(r *request) *string { return &r.envelope }, from, to)
	}
	event := func(from, to string) func(*request) {
		return swap(func(r *request) *string { return &r.event }, from, to)
	}
	fileHeader := func(from, to string) func(*request) {
		return swap(func(r *request) *string { return &r.fileHeaders }, from, to)
	}
	eventHeader := func(from, to string) func(*request) {
		return swap(func(r *request) *string { return &r.eventHeaders }, from, to)
	}
	header := func(name string, values ...string) func(*request) {
		return func(r *request) { r.header[http.CanonicalHeaderKey(name)] = values }
	}
	body := func(build func(file, event string) string) func(*request) {
		return func(r *request) { r.body = build }
	}
	zip := func(change func([]byte) []byte) func(*request) {
		return func(r *request) { r.gzip = change(gziptest.Compress(t, r.envelope)) }
	}
	direct := func(without, value string) func(*request) {
		return func(r *request) {
			r.path = "/api/v2/debugger"
			for _, name := range []string{"DD-API-KEY", "DD-EVP-ORIGIN"} {
				r.header.Set(name, "x")
			}
			r.header.Set("DD-REQUEST-ID", uploadID)
			r.header.Del(without)
			if value != "" {
				r.header.Set(without, value)
			}
		}
	}
	tests := []struct {
		name   string
		change func(*request)
		status int
		reason string
	}{
		{"method", func(r *request) { r.method = http.MethodPut }, 405, "method PUT"},
		{"get", func(r *request) { r.method = http.MethodGet }, 405, "method GET"},
		{"chunked", func(r *request) { r.chunked = true }, 400, "header Content-Length: missing"},
		{"encoded", header("Content-Encoding", "gzip"), 400, "header Content-Encoding: is \"gzip\""},
		{"no content type", header("Content-Type"), 400, "header Content-Type: missing"},
		{"two content types", header("Content-Type", "a/b", "c/d"), 400, "header Content-Type: occurs 2 times"},
		{"bad content type", header("Content-Type", ";"), 400, "header Content-Type: mime: no media type"},
		{"other content type", header("Content-Type", "application/json"), 400, "\"application/json\" is not multipart/form-data"},
		{"no boundary", header("Content-Type", "multipart/form-data"), 400, "the boundary has 0 characters"},
		{"bad tags", header("X-Datadog-Additional-Tags", "a:b,"), 400, "X-Datadog-Additional-Tags: empty tag"},
		{"no api key", direct("DD-API-KEY", ""), 400, "header DD-API-KEY: missing"},
		{"no origin", direct("DD-EVP-ORIGIN", ""), 400, "header DD-EVP-ORIGIN: missing"},
		{"no request id", direct("DD-REQUEST-ID", ""), 400, "header DD-REQUEST-ID: missing"},
		{"bad request id", direct("DD-REQUEST-ID", "7"), 400, "header DD-REQUEST-ID: \"7\" is not a UUID"},

		{"file disposition", fileHeader("file.gz", "x.gz"), 400, "file: header Content-Disposition: is"},
		{"file type", fileHeader("application/gzip", "application/x-gzip"), 400, "file: header Content-Type: is"},
		{"file header", fileHeader("Content-Type", "X-Y: z\r\nContent-Type"), 400, "file: header X-Y: not allowed"},
		{"event disposition", eventHeader("event.json", "event"), 400, "event: header Content-Disposition: is"},
		{"event type", eventHeader("application/json", "text/json"), 400, "event: header Content-Type: is"},
		{"empty body", body(func(string, string) string { return "" }), 400, "file: the part is missing"},
		{"event first", body(func(f, e string) string { return e + f + "--XX--\r\n" }), 400, "file: header Content-Disposition: is"},
		{"no event", body(func(f, _ string) string { return f + "--XX--\r\n" }), 400, "event: the part is missing"},
		{"third part", body(func(f, e string) string { return f + e + e + "--XX--\r\n" }), 400, "body: unexpected third part"},
		{"not closed", body(func(f, e string) string { return f + e }), 400, "event: unexpected EOF"},
		{"not quite closed", body(func(f, e string) string { return f + e + "--XX\r\n" }), 400, "body: the closing boundary is missing"},
		{"epilogue", body(func(f, e string) string { return f + e + "--XX--\r\nmore" }), 400, "body: the closing boundary is missing"},
		{"cut in the file", body(func(f, _ string) string { return f[:len(f)-30] }), 400, "file: decompress: unexpected EOF"},

		{"no gzip", zip(func([]byte) []byte { return []byte("plain text") }), 400, "file: decompress: gzip: invalid header"},
		{"empty gzip", zip(func([]byte) []byte { return []byte{} }), 400, "file: "},
		{"bad crc", zip(func(z []byte) []byte { z[len(z)-8]++; return z }), 400, "file: decompress: gzip: invalid checksum"},
		{"cut gzip", zip(func(z []byte) []byte { return z[:len(z)-3] }), 400, "file: decompress: unexpected EOF"},
		{"two members", zip(func(z []byte) []byte { return append(z, z...) }), 400, "file: gzip: data after the first member"},
		{"trailing byte", zip(func(z []byte) []byte { return append(z, 0) }), 400, "file: gzip: data after the first member"},

		{"no object", envelope(`{"service"`, `["service"`), 400, "file: want an object, not an array"},
		{"empty service", envelope(`"shop"`, `""`), 400, "file: service: is empty"},
		{"null service", envelope(`"shop"`, `null`), 400, "file: service: want a string, not null"},
		{"no language", envelope(`"language":"go",`, ``), 400, "file: language: missing"},
		{"no final", envelope(`,"final":true`, ``), 400, "file: final: missing"},
		{"final is text", envelope(`:true`, `:"true"`), 400, "file: final: want a boolean, not a string"},
		{"unknown key twice", envelope(`"version"`, `"x":1,"x":1,"version"`), 400, `file: duplicate key "x"`},
		{"long list", envelope(`"version"`, `"x":[`+strings.Repeat("1,", 1<<15)+`1],"version"`), 400, `file: the value of an unknown key has more than 65536 bytes`},
		{"twice", envelope(`"version":"1.2"`, `"version":"1.2","version":"1.2"`), 400, `file: duplicate key "version"`},
		{"env late", envelope(`"env":"prod","version":"1.2"`, `"version":"1.2","env":"prod"`), 400, `file: env: is out of order: it must precede "version"`},
		{"bad upload id", envelope(uploadID, "x"), 400, `file: upload_id: "x" is not a UUID`},
		{"batch zero", envelope(`"batch_num":1`, `"batch_num":0`), 400, "file: batch_num: is 0, want 1 or more"},
		{"batch fraction", envelope(`"batch_num":1`, `"batch_num":1.0`), 400, "file: batch_num: 1.0 is not a 32-bit integer"},
		{"no scope", envelope(goodScope, ``), 400, "file: scopes: is empty"},
		{"scopes null", envelope(`[`+goodScope+`]`, `null`), 400, "file: scopes: want an array, not null"},
		{"scope is text", envelope(goodScope, `""`), 400, "file: scopes[0]: want an object, not a string"},
		{"after the end", envelope(`"final":true}`, `"final":true}{}`), 400, "file: data after the end of the JSON"},
		{"early end", envelope(`,"final":true}`, ``), 400, "file: unexpected end of the JSON"},
		{"comma", envelope(`,"final"`, `;"final"`), 400, `file: want a comma or '}', not ';'`},

		{"event service", event("shop", "chop"), 400, `event: service: is "chop", want "shop"`},
		{"event version", event("1.2", "1.3"), 400, `event: version: is "1.3", want "1.2"`},
		{"no runtime id", event(`"runtimeId":"r-1",`, ``), 400, "event: runtimeId: missing"},
		{"event kind", event(`"symdb"`, `"snapshot"`), 400, `event: type: is "snapshot", want "symdb"`},
		{"event upload", event(uploadID, "x"), 400, `event: uploadId: is "x", want "` + uploadID},
		{"event batch", event(`"batchNum":1`, `"batchNum":2`), 400, "event: batchNum: is 2, want 1"},
		{"event final", event(`"final":true`, `"final":false`), 400, "event: final: is false, want true"},
		{"event size", func(r *request) { r.attachmentBytes = 7 }, 400, "event: attachmentSize: is 7, want "},
		{"no event version", event(`"version":"1.2",`, ``), 400, "event: version: is missing or null, but the envelope has one"},
		{"null event version", event(`"1.2"`, `null`), 400, "event: version: is missing or null"},
		{"event version alone", envelope(`"version":"1.2",`, ``), 400, `event: version: is "1.2", want none`},
		{"null ddsource", event(`"dd_debugger"`, `null`), 400, "event: ddsource: want a string, not null"},
		{"event twice", event(`"final":true`, `"final":true,"final":true`), 400, `event: duplicate key "final"`},
		{"event tail", event(`SIZE}`, `SIZE} x`), 400, "event: data after the end of the JSON"},
		{"event too long", event(`"r-1"`, `"`+strings.Repeat("r", 1<<16)+`"`), 413, "event: more than 65536 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var refusals []devintake.Refusal
			dir := t.TempDir()
			in := newIntake(t, devintake.Options{Dir: dir, OnRefusal: func(r devintake.Refusal) { refusals = append(refusals, r) }})
			req := batchRequest(uploadID, 1, true)
			test.change(req)
			rec := req.send(t, in)
			if reason := reasonOf(t, rec); rec.Code != test.status || !strings.HasPrefix(reason, test.reason) && !strings.Contains(reason, test.reason) {
				t.Errorf("%d %q, want %d %q", rec.Code, reason, test.status, test.reason)
			}
			if len(in.Uploads()) != 0 || len(filesIn(t, dir)) != 0 {
				t.Errorf("stored %v %v, want no Uploads and 0", in.Uploads(), filesIn(t, dir))
			}
			if len(refusals) != 1 || in.RefusalCount() != 1 {
				t.Errorf("refusals %v, counted %d, want 1 refusals and RefusalCount 1", refusals, in.RefusalCount())
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	size := int64(len(batchRequest(uploadID, 1, true).envelope))
	tests := []struct {
		name   string
		opts   devintake.Options
		status int
		reason string
	}{
		{"raw at the limit", devintake.Options{MaxRawBytes: size}, 202, ""},
		{"raw over", devintake.Options{MaxRawBytes: size - 1}, 413, "decompress: the decompressed envelope exceeds the limit"},
		{"body over", devintake.Options{MaxBodyBytes: 100}, 413, "exceed the limit of 100"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			rec := batchRequest(uploadID, 1, true).send(t, newIntake(t, test.opts))
			if rec.Code != test.status || !strings.Contains(rec.Body.String(), test.reason) {
				t.Errorf("%d %s, want %d %q", rec.Code, rec.Body, test.status, test.reason)
			}
		})
	}
	for _, opts := range []devintake.Options{{MaxBodyBytes: -1}, {MaxRawBytes: -1}} {
		if _, err := devintake.New(opts); err == nil {
			t.Errorf("New(%+v) takes a negative limit, want an error", opts)
		}
	}
}

// storedGzip is a gzip member without compression (RFC 1951, section 3.2.4).
func storedGzip(text string) []byte {
	size := uint16(len(text))
	out := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1}
	out = binary.LittleEndian.AppendUint16(out, size)
	out = binary.LittleEndian.AppendUint16(out, ^size)
	out = append(out, text...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(text)))
	return binary.LittleEndian.AppendUint32(out, uint32(size))
}
