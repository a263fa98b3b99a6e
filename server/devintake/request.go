package devintake

import (
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// directPath is the backend's route, which requires further headers. Other paths have only the
// common rules.
const directPath = "/api/v2/debugger"

func (in *Intake) receive(w http.ResponseWriter, r *http.Request) (Receipt, error) {
	request, content := &findings{lenient: in.opts.Lenient}, &findings{lenient: in.opts.Lenient}
	boundary, err := in.checkRequest(r, request)
	if err != nil {
		return Receipt{}, err
	}
	headers, err := readHeaders(r, request)
	if err != nil {
		return Receipt{}, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, in.opts.MaxBodyBytes)
	whole := &tailReader{src: r.Body}
	parts := multipart.NewReader(whole, boundary)
	spooled, err := newSpool(in.opts.Dir)
	if err != nil {
		return Receipt{}, err
	}
	defer spooled.discard()
	env, text, err := in.readParts(parts, spooled, request, content)
	if err != nil {
		return Receipt{}, err
	}
	if err := noMoreParts(parts, whole, boundary); err != nil {
		return Receipt{}, err
	}
	ev, err := checkEvent(text, env, spooled.size, content)
	if err != nil {
		return Receipt{}, fmt.Errorf("event: %w", err)
	}
	asked := request.record(headers)
	receipt, err := in.accept(newBatch(env, ev, asked, content, spooled.meter, text), asked, spooled)
	receipt.Path = r.URL.Path
	return receipt, err
}

// checkRequest checks method and headers, and returns the boundary of the parts.
func (in *Intake) checkRequest(r *http.Request, found *findings) (string, error) {
	if r.Method != http.MethodPost {
		return "", refuse(http.StatusMethodNotAllowed, "method %s: a batch must be sent by POST", r.Method)
	}
	if r.ContentLength < 0 || len(r.TransferEncoding) > 0 {
		missing := refuse(http.StatusBadRequest, "header Content-Length: missing (the body is chunked)")
		if err := found.deviate(Chunked, missing); err != nil {
			return "", err
		}
	}
	if r.ContentLength > in.opts.MaxBodyBytes {
		return "", refuse(http.StatusRequestEntityTooLarge,
			"header Content-Length: %d bytes exceed the limit of %d", r.ContentLength, in.opts.MaxBodyBytes)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		return "", refuse(http.StatusBadRequest, "header Content-Encoding: is %q, want none", encoding)
	}
	contentType, err := soleHeader(r, "Content-Type")
	if err != nil {
		return "", err
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("header Content-Type: %w", err)
	}
	if mediaType != "multipart/form-data" {
		return "", refuse(http.StatusBadRequest, "header Content-Type: %q is not multipart/form-data", mediaType)
	}
	if length := len(params["boundary"]); length < 1 || length > 70 {
		return "", refuse(http.StatusBadRequest, "header Content-Type: the boundary has %d characters, want 1 to 70", length)
	}
	if r.URL.Path == directPath {
		err = checkDirect(r, found)
	}
	return params["boundary"], err
}

// isUUID reports whether s is a UUID in its text form (RFC 9562, section 4).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// cut shortens a quotation of the request.
func cut(s string) string {
	const maxBytes = 100
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "") + "…"
}
