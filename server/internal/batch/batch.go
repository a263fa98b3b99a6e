package batch

import (
	"strconv"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Header is what all batches of an upload have in common.
type Header struct {
	Service  string
	Env      string // empty: left out
	Version  string
	Language string
	UploadID string // a UUID
	// RuntimeID is in the event, not in the envelope.
	RuntimeID string
}

// Sealed is a batch that gets no further scope and has no number yet: which one it
// has is known when the batch before it is accepted, as that may have been split.
type Sealed struct {
	Header *Header
	// ScopeCount is the number of root scopes that end in the batch. A root scope
	// that [Batch.Split] divides ends in the last batch that has a part of it, so
	// that the batches' counts always add up to that of the scopes.
	ScopeCount int64
	// Body is the JSON of the scopes, with commas between them. It may be spilled at
	// any time.
	Body *encode.Body
}

// Number puts the envelope around the scopes. The batch shares the body.
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

// Batch is one numbered batch. It is immutable: it can be sent any number of
// times, always as the same bytes.
type Batch struct {
	Header *Header
	// Num counts the batches of an upload from 1.
	Num int32
	// Final marks the last batch of an upload.
	Final bool
	// ScopeCount is that of [Sealed].
	ScopeCount int64
	// RawBytes is the length of the envelope as JSON.
	RawBytes int64
	// File is the envelope as one gzip member. It may be spilled while the batch
	// is sent.
	File *encode.File
}

// AppendEvent appends the event that travels with the batch, as JSON.
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

// size is a length in both ways that batches are measured.
type size struct {
	compressed int
	raw        int64
}

// envelope returns how much longer a batch with that number is than its body.
func (h *Header) envelope(num int32, final bool) size {
	nothing := Sealed{Header: h, Body: new(encode.Body)}
	b := nothing.Number(num, final)
	return size{compressed: b.File.Len(), raw: b.RawBytes}
}
