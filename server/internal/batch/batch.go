package batch

import (
	"cmp"
	"strconv"
	"unsafe"

	"github.com/scopegate/scopegate/server/internal/encode"
	"github.com/scopegate/scopegate/server/internal/text"
	"github.com/scopegate/scopegate/server/internal/transcode"
)

// Header is common to all batches of an upload.
type Header struct {
	Service  string
	Language string
	UploadID string // a UUID
	// A nil string is left out of the JSON.
	Env, Version *string
	// Additional is members of a JSON object, such as `"schema_version":1`, that are in the
	// envelope too. It may be empty.
	Additional string

	// These are in the event, not in the envelope.

	RuntimeID       string
	ParentID        *string
	DDSource        string // of the event; empty: "dd_debugger"
	EventLanguage   string // empty: Language
	EventAdditional string // as Additional

	// These are in HTTP headers, and left out where they are empty.

	Tags        string // `key:value` pairs, separated by commas
	ContainerID string
	EntityID    string
	ExternalEnv string
}

// HeldBytes returns the memory that the header takes.
func (h *Header) HeldBytes() int {
	n := int(unsafe.Sizeof(*h))
	for _, s := range []string{
		h.Service, h.Language, h.UploadID, text.OrEmpty(h.Env), text.OrEmpty(h.Version), h.Additional,
		h.RuntimeID, text.OrEmpty(h.ParentID), h.DDSource, h.EventLanguage, h.EventAdditional,
		h.Tags, h.ContainerID, h.EntityID, h.ExternalEnv,
	} {
		n += len(s)
	}
	return n
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
	h := b.Header
	dst = appendMember(dst, '{', "ddsource", cmp.Or(h.DDSource, "dd_debugger"))
	dst = appendMember(dst, ',', "service", h.Service)
	dst = appendOptional(dst, "version", h.Version)
	dst = appendMember(dst, ',', "language", cmp.Or(h.EventLanguage, h.Language))
	dst = appendMember(dst, ',', "runtimeId", h.RuntimeID)
	dst = appendOptional(dst, "parentId", h.ParentID)
	dst = append(dst, `,"type":"symdb"`...)
	dst = appendMember(dst, ',', "uploadId", h.UploadID)
	dst = append(dst, `,"batchNum":`...)
	dst = strconv.AppendInt(dst, int64(b.Num), 10)
	dst = append(dst, `,"final":`...)
	dst = strconv.AppendBool(dst, b.Final)
	dst = append(dst, `,"attachmentSize":`...)
	dst = strconv.AppendInt(dst, int64(b.File.Len()), 10)
	return append(appendMembers(dst, h.EventAdditional), '}')
}

// appendHead appends the envelope up to its scopes.
func (h *Header) appendHead(dst []byte, num int32) []byte {
	dst = appendMember(dst, '{', "service", h.Service)
	dst = appendOptional(dst, "env", h.Env)
	dst = appendOptional(dst, "version", h.Version)
	dst = appendMember(dst, ',', "language", h.Language)
	dst = appendMember(dst, ',', "upload_id", h.UploadID)
	dst = append(dst, `,"batch_num":`...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	dst = appendMembers(dst, h.Additional)
	return append(dst, openScopes...)
}

// appendMember appends a member of a JSON object, after a separator.
func appendMember(dst []byte, separator byte, key, value string) []byte {
	dst = append(dst, separator, '"')
	dst = append(dst, key...)
	return transcode.AppendString(append(dst, `":`...), value)
}

// appendOptional appends a member whose value may be nil.
func appendOptional(dst []byte, key string, value *string) []byte {
	if value == nil {
		return dst
	}
	return appendMember(dst, ',', key, *value)
}

// appendMembers appends members that are JSON already.
func appendMembers(dst []byte, members string) []byte {
	if members == "" {
		return dst
	}
	return append(append(dst, ','), members...)
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
