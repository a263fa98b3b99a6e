package devintake

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// The two routes with headers of their own. Any other path has only the common rules.
const (
	agentPath  = "/symdb/v1/input"
	directPath = "/api/v2/debugger"
)

// partHeaders are the exact headers of a part.
type partHeaders struct{ name, disposition, contentType string }

var (
	filePart  = partHeaders{"file", `form-data; name="file"; filename="file.gz"`, "application/gzip"}
	eventPart = partHeaders{"event", `form-data; name="event"; filename="event.json"`, "application/json"}
)

func (in *Intake) receive(w http.ResponseWriter, r *http.Request) (Receipt, error) {
	boundary, err := in.checkRequest(r)
	if err != nil {
		return Receipt{}, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, in.opts.MaxBodyBytes)
	whole := &tailReader{src: r.Body}
	parts := multipart.NewReader(whole, boundary)

	file, err := nextPart(parts, filePart)
	if err != nil {
		return Receipt{}, err
	}
	spooled, err := newSpool(in.opts.Dir)
	if err != nil {
		return Receipt{}, err
	}
	defer spooled.discard()
	env, err := in.readFile(io.TeeReader(file, spooled))
	if err != nil {
		return Receipt{}, fmt.Errorf("file: %w", err)
	}

	part, err := nextPart(parts, eventPart)
	if err != nil {
		return Receipt{}, err
	}
	event, err := io.ReadAll(io.LimitReader(part, maxEventBytes+1))
	if err != nil {
		return Receipt{}, fmt.Errorf("event: %w", err)
	}
	if len(event) > maxEventBytes {
		return Receipt{}, refuse(http.StatusRequestEntityTooLarge, "event: more than %d bytes", maxEventBytes)
	}
	if err := noMoreParts(parts, whole, boundary); err != nil {
		return Receipt{}, err
	}
	runtimeID, err := checkEvent(event, env, spooled.size)
	if err != nil {
		return Receipt{}, fmt.Errorf("event: %w", err)
	}

	receipt, err := in.accept(env, runtimeID, spooled, event)
	receipt.Path = r.URL.Path
	return receipt, err
}

// checkRequest checks method and headers, and returns the boundary of the parts.
func (in *Intake) checkRequest(r *http.Request) (string, error) {
	if r.Method != http.MethodPost {
		return "", refuse(http.StatusMethodNotAllowed, "method %s: a batch is sent by POST", r.Method)
	}
	if r.ContentLength < 0 || len(r.TransferEncoding) > 0 {
		return "", refuse(http.StatusBadRequest, "header Content-Length: missing (the body is chunked)")
	}
	if r.ContentLength > in.opts.MaxBodyBytes {
		return "", refuse(http.StatusRequestEntityTooLarge,
			"header Content-Length: %d bytes are more than the limit of %d", r.ContentLength, in.opts.MaxBodyBytes)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
		return "", refuse(http.StatusBadRequest, "header Content-Encoding: %q, but the body is not encoded as a whole", encoding)
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
		return "", refuse(http.StatusBadRequest, "header Content-Type: a boundary of %d characters", length)
	}
	switch r.URL.Path {
	case agentPath:
		err = checkTags(r)
	case directPath:
		err = checkDirect(r)
	}
	return params["boundary"], err
}

// checkTags checks the optional tags of the agent route.
func checkTags(r *http.Request) error {
	const name = "X-Datadog-Additional-Tags"
	if len(r.Header.Values(name)) == 0 {
		return nil
	}
	tags, err := soleHeader(r, name)
	if err != nil {
		return err
	}
	for tag := range strings.SplitSeq(tags, ",") {
		if key, _, ok := strings.Cut(tag, ":"); !ok || key == "" {
			return refuse(http.StatusBadRequest, "header %s: %q is not key:value", name, cut(tag))
		}
	}
	return nil
}

// checkDirect checks the headers that the backend requires. Reasons do not quote the key.
func checkDirect(r *http.Request) error {
	for _, name := range []string{"DD-API-KEY", "DD-EVP-ORIGIN"} {
		if _, err := soleHeader(r, name); err != nil {
			return err
		}
	}
	id, err := soleHeader(r, "DD-REQUEST-ID")
	if err != nil {
		return err
	}
	if !isUUID(id) {
		return refuse(http.StatusBadRequest, "header DD-REQUEST-ID: %q is not a UUID", cut(id))
	}
	return nil
}

func soleHeader(r *http.Request, name string) (string, error) {
	switch values := r.Header.Values(name); {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", refuse(http.StatusBadRequest, "header %s: missing", name)
	case len(values) > 1:
		return "", refuse(http.StatusBadRequest, "header %s: occurs %d times", name, len(values))
	default:
		return values[0], nil
	}
}

func nextPart(parts *multipart.Reader, want partHeaders) (*multipart.Part, error) {
	part, err := parts.NextRawPart()
	if errors.Is(err, io.EOF) {
		return nil, refuse(http.StatusBadRequest, "%s: the part is missing", want.name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", want.name, err)
	}
	for _, header := range []struct{ name, want string }{
		{"Content-Disposition", want.disposition},
		{"Content-Type", want.contentType},
	} {
		got := part.Header[header.name]
		if len(got) != 1 || got[0] != header.want {
			return nil, refuse(http.StatusBadRequest, "%s: header %s: is %s, want %q",
				want.name, header.name, cut(fmt.Sprintf("%q", got)), header.want)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(part.Header)) {
		if name != "Content-Disposition" && name != "Content-Type" {
			return nil, refuse(http.StatusBadRequest, "%s: header %s: not one of the part's two", want.name, cut(name))
		}
	}
	return part, nil
}

// noMoreParts checks that the body ends with the closing boundary.
func noMoreParts(parts *multipart.Reader, whole *tailReader, boundary string) error {
	_, err := parts.NextRawPart()
	if err == nil {
		return refuse(http.StatusBadRequest, "body: a third part")
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if !strings.HasSuffix(strings.TrimSuffix(string(whole.tail), "\r\n"), "--"+boundary+"--") {
		return refuse(http.StatusBadRequest, "body: the closing boundary is missing at its end")
	}
	return nil
}

// tailReader keeps the last bytes that were read: enough for a boundary of 70 characters (RFC
// 2046, section 5.1.1) with its delimiters.
type tailReader struct {
	src  io.Reader
	tail []byte
}

func (t *tailReader) Read(p []byte) (int, error) {
	const maxTailBytes = 80
	n, err := t.src.Read(p)
	t.tail = append(t.tail, p[max(0, n-maxTailBytes):n]...)
	t.tail = slices.Delete(t.tail, 0, max(0, len(t.tail)-maxTailBytes))
	return n, err
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
