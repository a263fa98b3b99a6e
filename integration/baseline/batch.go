package baseline

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// batch is the open batch of an upload. Each upload keeps one, with its buffer and
// compressor, until it ends.
type batch struct {
	compressed bytes.Buffer
	gzip       *gzip.Writer
	raw        counter
	json       *json.Encoder
	scopeCount int
}

func newBatch() *batch {
	b := &batch{}
	b.gzip = gzip.NewWriter(&b.compressed)
	b.raw.w = b.gzip
	b.json = json.NewEncoder(&b.raw)
	return b
}

func (b *batch) full() bool { return b.compressed.Len() >= FlushThresholdBytes }

func (b *batch) add(md *symdbv1.UploadMetadata, batchNum int, message *symdbv1.Scope) error {
	before := ","
	if b.scopeCount == 0 {
		opening, err := envelopeOpening(md, batchNum)
		if err != nil {
			return err
		}
		before = opening
	}
	if _, err := io.WriteString(&b.raw, before); err != nil {
		return err
	}
	b.scopeCount++
	scope := FromProto(message)
	return b.json.Encode(&scope)
}

// envelope is the part of a batch before its scopes.
type envelope struct {
	Service  string `json:"service"`
	Env      string `json:"env,omitempty"`
	Version  string `json:"version"`
	Language string `json:"language"`
	UploadID string `json:"upload_id"`
	BatchNum int    `json:"batch_num"`
}

func envelopeOpening(md *symdbv1.UploadMetadata, batchNum int) (string, error) {
	fields, err := json.Marshal(envelope{
		Service: md.GetService(), Env: md.GetEnv(), Version: md.GetVersion(), Language: md.GetLanguage(),
		UploadID: md.GetUploadId(), BatchNum: batchNum,
	})
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(fields, []byte("}"))) + `,"scopes":[`, nil
}

func (b *batch) end(final bool) error {
	if _, err := fmt.Fprintf(&b.raw, `],"final":%t}`, final); err != nil {
		return err
	}
	return b.gzip.Close()
}

func (b *batch) reset() {
	b.compressed.Reset()
	b.gzip.Reset(&b.compressed)
	b.raw.written = 0
	b.scopeCount = 0
}

// counter counts the bytes written.
type counter struct {
	w       io.Writer
	written int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.written += int64(n)
	return n, err
}

type event struct {
	Source         string `json:"ddsource"`
	Service        string `json:"service"`
	Version        string `json:"version"`
	Language       string `json:"language"`
	RuntimeID      string `json:"runtimeId"`
	Type           string `json:"type"`
	UploadID       string `json:"uploadId"`
	BatchNum       int    `json:"batchNum"`
	Final          bool   `json:"final"`
	AttachmentSize int    `json:"attachmentSize"`
}

// newForm returns the body of a batch's POST, and its content type.
func newForm(
	md *symdbv1.UploadMetadata, batchNum int, final bool, file []byte,
) (body *bytes.Buffer, contentType string, err error) {
	about, err := json.Marshal(event{
		Source: "dd_debugger", Service: md.GetService(), Version: md.GetVersion(), Language: md.GetLanguage(),
		RuntimeID: md.GetRuntimeId(), Type: "symdb", UploadID: md.GetUploadId(), BatchNum: batchNum, Final: final,
		AttachmentSize: len(file),
	})
	if err != nil {
		return nil, "", err
	}
	body = &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for _, p := range []struct {
		disposition, contentType string
		content                  []byte
	}{
		{`form-data; name="file"; filename="file.gz"`, "application/gzip", file},
		{`form-data; name="event"; filename="event.json"`, "application/json", about},
	} {
		part, err := form.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {p.disposition}, "Content-Type": {p.contentType},
		})
		if err != nil {
			return nil, "", err
		}
		if _, err := part.Write(p.content); err != nil {
			return nil, "", err
		}
	}
	return body, form.FormDataContentType(), form.Close()
}
