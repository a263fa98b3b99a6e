package devintake

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// partHeaders are the exact headers of a part.
type partHeaders struct{ name, disposition, contentType string }

var (
	filePart  = partHeaders{"file", `form-data; name="file"; filename="file.gz"`, "application/gzip"}
	eventPart = partHeaders{"event", `form-data; name="event"; filename="event.json"`, "application/json"}
)

// readParts reads the file into spooled, and the event. In lenient mode the event may come first.
func (in *Intake) readParts(
	parts *multipart.Reader, spooled *spool, request, content *findings,
) (env envelope, event []byte, err error) {
	for missing := []partHeaders{filePart, eventPart}; len(missing) > 0; {
		part, i, err := nextPart(parts, missing, request)
		if err != nil {
			return envelope{}, nil, err
		}
		if missing[i] == filePart {
			env, err = in.readFile(io.TeeReader(part, spooled), content)
		} else {
			event, err = readEvent(part)
		}
		if err != nil {
			return envelope{}, nil, fmt.Errorf("%s: %w", missing[i].name, err)
		}
		missing = slices.Delete(missing, i, i+1)
	}
	return env, event, nil
}

func readEvent(part io.Reader) ([]byte, error) {
	event, err := io.ReadAll(io.LimitReader(part, maxEventBytes+1))
	if err == nil && len(event) > maxEventBytes {
		err = refuse(http.StatusRequestEntityTooLarge, "more than %d bytes", maxEventBytes)
	}
	return event, err
}

// nextPart returns the next part and its index in missing, which is 0 unless the mode is lenient.
func nextPart(parts *multipart.Reader, missing []partHeaders, found *findings) (*multipart.Part, int, error) {
	part, err := parts.NextRawPart()
	if errors.Is(err, io.EOF) {
		return nil, 0, refuse(http.StatusBadRequest, "%s: the part is missing", missing[0].name)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", missing[0].name, err)
	}
	i := 0
	if found.lenient {
		i = slices.IndexFunc(missing, func(want partHeaders) bool { return want.name == part.FormName() })
		if i < 0 {
			return nil, 0, refuse(http.StatusBadRequest, "body: unexpected part %q", cut(part.FormName()))
		}
		if i > 0 {
			err = found.deviate(PartOrder, errors.New("body: the event part comes first"))
		}
	}
	if err == nil {
		err = checkPart(part, missing[i], found)
	}
	return part, i, err
}

func checkPart(part *multipart.Part, want partHeaders, found *findings) error {
	for _, header := range []struct{ name, want string }{
		{"Content-Disposition", want.disposition},
		{"Content-Type", want.contentType},
	} {
		got := part.Header[header.name]
		if len(got) == 1 && got[0] == header.want {
			continue
		}
		wrong := refuse(http.StatusBadRequest, "%s: header %s: is %s, want %q",
			want.name, header.name, cut(fmt.Sprintf("%q", got)), header.want)
		if err := found.deviate(PartHeader, wrong); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(part.Header)) {
		if name == "Content-Disposition" || name == "Content-Type" {
			continue
		}
		more := refuse(http.StatusBadRequest, "%s: header %s: not allowed in a part", want.name, cut(name))
		if err := found.deviate(PartHeader, more); err != nil {
			return err
		}
	}
	switch encoding := strings.ToLower(part.Header.Get("Content-Transfer-Encoding")); encoding {
	case "", "7bit", "8bit", "binary":
		return nil
	default:
		return refuse(http.StatusBadRequest,
			"%s: header Content-Transfer-Encoding: unsupported encoding %q", want.name, cut(encoding))
	}
}

// noMoreParts checks that the body ends with the closing boundary.
func noMoreParts(parts *multipart.Reader, whole *tailReader, boundary string) error {
	_, err := parts.NextRawPart()
	if err == nil {
		return refuse(http.StatusBadRequest, "body: unexpected third part")
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if !strings.HasSuffix(strings.TrimSuffix(string(whole.tail), "\r\n"), "--"+boundary+"--") {
		return refuse(http.StatusBadRequest, "body: the closing boundary is missing")
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
