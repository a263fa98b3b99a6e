package devintake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// metadata is common to all batches of an upload.
type metadata struct {
	uploadID, service, env, version, language string
	hasEnv                                    bool
}

// envelope describes a batch whose scopes were checked.
type envelope struct {
	metadata
	batchNum   int
	final      bool
	scopeCount int
	rawBytes   int64
}

var envelopeFields = []field{
	{"service", kindName, true},
	{"env", kindString, false},
	{"version", kindString, true},
	{"language", kindName, true},
	{"upload_id", kindString, true},
	{"batch_num", kindInt32, true},
	{"scopes", kindScopes, true},
	{"final", kindBool, true},
}

var eventFields = []field{
	{"ddsource", kindString, true},
	{"service", kindString, true},
	{"version", kindString, true},
	{"language", kindString, true},
	{"runtimeId", kindString, true},
	{"type", kindString, true},
	{"uploadId", kindString, true},
	{"batchNum", kindInt32, true},
	{"final", kindBool, true},
	{"attachmentSize", kindInt64, true},
}

// readFile checks the file part: one gzip member with an envelope, and nothing after it.
func (in *Intake) readFile(file io.Reader) (envelope, error) {
	compressed := bufio.NewReaderSize(file, scanBufferBytes)
	member, err := gzip.NewReader(compressed)
	if err != nil {
		return envelope{}, gzipError(err)
	}
	member.Multistream(false)
	raw := &limitedReader{src: member, left: in.opts.MaxRawBytes}
	env, err := checkEnvelope(raw, !in.opts.SkipScopeCheck)
	if err != nil {
		return envelope{}, err
	}
	env.rawBytes = in.opts.MaxRawBytes - raw.left
	switch _, err := compressed.ReadByte(); {
	case err == nil:
		return envelope{}, refuse(http.StatusBadRequest, "gzip: something follows the first member")
	case !errors.Is(err, io.EOF):
		return envelope{}, err
	}
	return env, nil
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
		return 0, refuse(http.StatusRequestEntityTooLarge, "decompress: the envelope is over the limit after decompression")
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
func checkEnvelope(raw io.Reader, deep bool) (envelope, error) {
	s := newScanner(raw)
	var env envelope
	err := s.fields(envelopeFields, true, func(f *field) (err error) {
		switch f.name {
		case "service":
			env.service, err = s.readName()
		case "env":
			env.hasEnv = true
			env.env, err = s.readString()
		case "version":
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
	if err != nil {
		return envelope{}, err
	}
	return env, s.finish()
}

func (s *scanner) batchNum() (int, error) {
	n, err := s.integer(32)
	if err == nil && n < 1 {
		err = violate("is %d, but batches count from 1", n)
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
		err = violate("no scope")
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

// checkEvent checks an event against its envelope and the length of the file part, and returns
// the runtime ID.
func checkEvent(event []byte, env envelope, fileBytes int64) (string, error) {
	s := newScanner(bytes.NewReader(event))
	var runtimeID string
	err := s.fields(eventFields, false, func(f *field) (err error) {
		switch f.name {
		case "ddsource":
			err = s.equal("dd_debugger")
		case "service":
			err = s.equal(env.service)
		case "version":
			err = s.equal(env.version)
		case "language":
			err = s.equal(env.language)
		case "runtimeId":
			runtimeID, err = s.readString()
		case "type":
			err = s.equal("symdb")
		case "uploadId":
			err = s.equal(env.uploadID)
		case "batchNum":
			err = s.equalInt(int64(env.batchNum))
		case "final":
			var final bool
			if final, err = s.boolean(); err == nil && final != env.final {
				err = violate("is %t, want %t", final, env.final)
			}
		case "attachmentSize":
			err = s.equalInt(fileBytes)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return runtimeID, s.finish()
}

func (s *scanner) equal(want string) error {
	got, err := s.readString()
	if err == nil && got != want {
		err = violate("is %q, want %q", cut(got), cut(want))
	}
	return err
}

func (s *scanner) equalInt(want int64) error {
	got, err := s.integer(64)
	if err == nil && got != want {
		err = violate("is %d, want %d", got, want)
	}
	return err
}
