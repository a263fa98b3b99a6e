package intake

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"sync"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// form is a batch as multipart/form-data (RFC 7578). It reads as the same bytes every
// time.
type form struct {
	boundary string
	before   []byte // the file
	file     *batch.Batch
	after    []byte
}

func newForm(b *batch.Batch) *form {
	// Random, so that no client can write a scope that ends its part early.
	boundary := "scopegate-" + rand.Text()
	f := &form{boundary: boundary, file: b}
	f.before = []byte("--" + boundary + "\r\n" +
		`Content-Disposition: form-data; name="file"; filename="file.gz"` + "\r\n" +
		"Content-Type: application/gzip\r\n\r\n")
	f.after = append(f.after, "\r\n--"+boundary+"\r\n"+
		`Content-Disposition: form-data; name="event"; filename="event.json"`+"\r\n"+
		"Content-Type: application/json\r\n\r\n"...)
	f.after = b.AppendEvent(f.after)
	f.after = append(f.after, "\r\n--"+boundary+"--\r\n"...)
	return f
}

func (f *form) contentType() string { return "multipart/form-data; boundary=" + f.boundary }

func (f *form) length() int64 {
	return int64(len(f.before) + f.file.File.Len() + len(f.after))
}

// body returns the form as the body of a request.
func (f *form) body() *body {
	return &body{left: f.length(), reader: io.MultiReader(
		bytes.NewReader(f.before), f.file.File.NewReader(), bytes.NewReader(f.after))}
}

// body may be closed while another goroutine reads from it; that one then reads no more.
type body struct {
	mu     sync.Mutex
	closed bool
	left   int64 // bytes not yet read
	reader io.Reader
}

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.reader.Read(p)
	b.left -= int64(n)
	return n, err
}

// wasRead reports whether the last byte was read.
func (b *body) wasRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left == 0
}

func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}
