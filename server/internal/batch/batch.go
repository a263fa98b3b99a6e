package batch

import (
	"strconv"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Header is common to all batches of an upload.
type Header struct {
	Service  string
	Env      string // omitted if empty
	Version  string
	Language string
	UploadID string // a UUID
	// RuntimeID is in the event, not in the envelope.
	RuntimeID string
}

// Sealed is a batch with all its scopes but without a number. Its number is known when the
// batch before it is accepted, which may have been split.
type Sealed struct {
	Header *Header
	// ScopeCount is the number of root scopes that end in the batch. A root scope that
	// [Batch.Split] divides ends in the last batch that has a part of it.
	ScopeCount int64
	// Body is the JSON of the scopes, separated by commas. It may be spilled at any time.
	Body *encode.Body
}

// Number adds the envelope. The batch shares the body.
func (s *Sealed) Number(num int32, final bool) *Batch {
	head := s.Header.appendHead(nil, num)
	tail := strconv.AppendBool([]byte(`],"final":`), final)
	tail = append(tail, '}')
	return &Batch{
		Header:     s.Header,
		Num:        num,
		Final:      final,
		ScopeCount: s.ScopeCount,
		RawBytes:   int64(len(head)) + s.Body.RawBytes() + int64(len(tail)),
		File:       s.Body.File(head, tail),
	}
}

// Batch is one numbered batch. It is immutable: each attempt sends the same bytes.
type Batch struct {
	Header *Header
	// Num counts the batches of an upload from 1.
	Num int32
	// Final marks the last batch of an upload.
	Final bool
	// ScopeCount is as in [Sealed].
	ScopeCount int64
	// RawBytes is the length of the envelope as JSON.
	RawBytes int64
	// File is the envelope as one gzip member. It may be spilled while it is sent.
	File *encode.File
}

// AppendEvent appends the batch's event as JSON.
func (b *Batch) AppendEvent(dst []byte) []byte {
	dst = append(dst, `{"ddsource":"dd_debugger","service":`...)
	dst = transcode.AppendString(dst, b.Header.Service)
	dst = append(dst, `,"version":`...)
	dst = transcode.AppendString(dst, b.Header.Version)
	dst = append(dst, `,"language":`...)
	dst = transcode.AppendString(dst, b.Header.Language)
	dst = append(dst, `,"runtimeId":`...)
	dst = transcode.AppendString(dst, b.Header.RuntimeID)
	dst = append(dst, `,"type":"symdb","uploadId":`...)
	dst = transcode.AppendString(dst, b.Header.UploadID)
	dst = append(dst, `,"batchNum":`...)
	dst = strconv.AppendInt(dst, int64(b.Num), 10)
	dst = append(dst, `,"final":`...)
	dst = strconv.AppendBool(dst, b.Final)
	dst = append(dst, `,"attachmentSize":`...)
	dst = strconv.AppendInt(dst, int64(b.File.Len()), 10)
	return append(dst, '}')
}

// appendHead appends the envelope up to its scopes.
func (h *Header) appendHead(dst []byte, num int32) []byte {
	dst = append(dst, `{"service":`...)
	dst = transcode.AppendString(dst, h.Service)
	if h.Env != "" {
		dst = append(dst, `,"env":`...)
		dst = transcode.AppendString(dst, h.Env)
	}
	dst = append(dst, `,"version":`...)
	dst = transcode.AppendString(dst, h.Version)
	dst = append(dst, `,"language":`...)
	dst = transcode.AppendString(dst, h.Language)
	dst = append(dst, `,"upload_id":`...)
	dst = transcode.AppendString(dst, h.UploadID)
	dst = append(dst, `,"batch_num":`...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, openScopes...)
}

// size is the size of a batch.
type size struct {
	compressed int
	raw        int64
}

// envelope returns the size of an envelope without scopes.
func (h *Header) envelope(num int32, final bool) size {
	nothing := Sealed{Header: h, Body: new(encode.Body)}
	b := nothing.Number(num, final)
	return size{compressed: b.File.Len(), raw: b.RawBytes}
}
