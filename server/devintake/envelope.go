package devintake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// metadata is common to all batches of an upload.
type metadata struct {
	uploadID, service, env, version, language string
	hasEnv, hasVersion                        bool
}

// envelope describes a batch whose scopes were checked.
type envelope struct {
	metadata
	batchNum   int
	final      bool
	scopeCount int
	rawBytes   int64
	plain      bool                       // it is not compressed
	additional map[string]json.RawMessage // keys that are unknown or null
}

var envelopeShape = &shape{ordered: true, others: kept, fields: []field{
	{name: "service", kind: kindName, presence: required},
	{name: "env", kind: kindString, presence: nullable},
	{name: "version", kind: kindString, presence: nullable},
	{name: "language", kind: kindName, presence: required},
	{name: "upload_id", kind: kindString, presence: required},
	{name: "batch_num", kind: kindInt32, presence: required},
	{name: "scopes", kind: kindScopes, presence: required},
	{name: "final", kind: kindBool, presence: expected},
}}

// readFile checks the file part: one gzip member with an envelope, and nothing after it. In lenient
// mode the envelope may be uncompressed.
func (in *Intake) readFile(file io.Reader, found *findings) (envelope, error) {
	found.part = "file"
	defer func() { found.part = "" }()
	body := bufio.NewReaderSize(file, scanBufferBytes)
	plain, err := isPlain(body, found)
	if err != nil {
		return envelope{}, err
	}
	decompressed := io.Reader(body)
	if !plain {
		member, err := gzip.NewReader(body)
		if err != nil {
			return envelope{}, gzipError(err)
		}
		member.Multistream(false)
		decompressed = member
	}
	raw := &limitedReader{src: decompressed, left: in.opts.MaxRawBytes}
	env, err := checkEnvelope(raw, !in.opts.SkipScopeCheck, found)
	if err != nil {
		return envelope{}, err
	}
	env.rawBytes = in.opts.MaxRawBytes - raw.left
	env.plain = plain
	switch _, err := body.ReadByte(); {
	case err == nil:
		return envelope{}, refuse(http.StatusBadRequest, "gzip: data after the first member")
	case !errors.Is(err, io.EOF):
		return envelope{}, err
	}
	return env, nil
}

// isPlain reports whether a body is not compressed, which is a deviation.
func isPlain(body *bufio.Reader, found *findings) (bool, error) {
	head, err := body.Peek(1)
	if err != nil || !found.lenient || !bytes.Contains([]byte("{ \t\r\n"), head) {
		return false, nil //nolint:nilerr // the decompressor will find it
	}
	return true, found.deviate(NotCompressed, errors.New("not compressed"))
}

// limitedReader fails after left bytes. It marks its source's errors as decompression errors.
type limitedReader struct {
	src  io.Reader
	left int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.src.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, refuse(http.StatusRequestEntityTooLarge, "decompress: the decompressed envelope exceeds the limit")
	}
	return n, gzipError(err)
}

func gzipError(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("decompress: %w", err)
}

// checkEnvelope reads an envelope to the end of the stream. Unless deep is set, it only checks
// that scopes are objects.
func checkEnvelope(raw io.Reader, deep bool, found *findings) (envelope, error) {
	s := newScanner(raw, found)
	var env envelope
	_, err := s.fields(envelopeShape, func(f *field) (err error) {
		switch f.name {
		case "service":
			env.service, err = s.readName()
		case "env":
			env.hasEnv = true
			env.env, err = s.readString()
		case "version":
			env.hasVersion = true
			env.version, err = s.readString()
		case "language":
			env.language, err = s.readName()
		case "upload_id":
			env.uploadID, err = s.readString()
			if err == nil && !isUUID(env.uploadID) {
				err = violate("%q is not a UUID", cut(env.uploadID))
			}
		case "batch_num":
			env.batchNum, err = s.batchNum()
		case "scopes":
			env.scopeCount, err = s.rootScopes(deep)
		case "final":
			env.final, err = s.boolean()
		}
		return err
	})
	if err == nil {
		err = s.finish()
	}
	if err != nil {
		return envelope{}, s.locate(err)
	}
	env.additional = s.kept
	return env, nil
}

func (s *scanner) batchNum() (int, error) {
	n, err := s.integer(32)
	if err == nil && n < 1 {
		err = violate("is %d, want 1 or more", n)
	}
	return int(n), err
}

func (s *scanner) rootScopes(deep bool) (int, error) {
	count, err := s.array(func(int) error {
		if deep {
			return s.scope()
		}
		if c, err := s.peek(); err != nil || c != '{' {
			return s.begin('{', "an object")
		}
		return s.skip()
	})
	if err == nil && count == 0 {
		err = violate("is empty, want at least one scope")
	}
	return count, err
}

// readString reads a string and returns it.
func (s *scanner) readString() (string, error) {
	_, err := s.str(true)
	return string(s.text), err
}

// readName reads a string that must not be empty.
func (s *scanner) readName() (string, error) {
	text, err := s.readString()
	if err == nil && text == "" {
		err = violate("is empty")
	}
	return text, err
}
