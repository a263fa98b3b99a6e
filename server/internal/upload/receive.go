package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

// receiver receives a stream's messages: metadata, then scopes. Only the reader uses it,
// except for pace.
type receiver struct {
	stream   grpcwire.Messages
	opening  *Opening
	progress *progress
	pace     pace
	messages [2]grpcwire.Message // the last one and the one before it
	last     int                 // index of the last one
}

func (r *receiver) start(ctx context.Context, u *upload) (err error) {
	r.opening, r.progress = u.Opening, &u.progress
	for i := range r.messages {
		r.messages[i].Account = u.account
	}
	r.pace.begin(&u.server.Config)
	r.stream, err = grpcwire.NewMessages(ctx, u.server.Buffers, u.server.maxMessageBytes())
	return err
}

// messageLimitFactor is how many times the largest scope a message may be before the stream
// ends without reading it. A shorter one is read, and refused with a status that names the
// scope.
const messageLimitFactor = 2

func (c *Config) maxMessageBytes() int {
	return messageLimitFactor * max(c.MaxScopeBytes, c.MaxMetadataBytes)
}

// await waits until a message begins and, unless it is the first, for memory to receive it.
// At the end of the stream it returns io.EOF.
func (r *receiver) await() error {
	r.waitForClient(true)
	err := r.stream.Await()
	if err == nil && (r.progress.header.Load() == nil || !r.opening.account.MustWait()) {
		return nil
	}
	r.waitForClient(false)
	if err != nil {
		return r.failure(err)
	}
	return r.awaitMemory()
}

// awaitMemory waits for memory before a message is received.
func (r *receiver) awaitMemory() error {
	r.progress.enter(WaitingForMemory)
	if r.opening.account.Wait(r.opening.ctx) != nil {
		return context.Cause(r.opening.ctx)
	}
	r.progress.enter(Receiving)
	r.waitForClient(true)
	return nil
}

// end returns an error if the client may not end the stream now.
func (r *receiver) end() error {
	switch {
	case r.progress.header.Load() == nil:
		return r.invalid("required: the stream ended before its first message")
	case r.progress.scopes.Load() == 0:
		return r.invalid("required: an upload has at least one scope")
	}
	return nil
}

// waitForClient records whether the server waits for the client to send.
func (r *receiver) waitForClient(on bool) {
	var since time.Time
	if on {
		since = r.pace.wait()
	} else {
		r.pace.stop()
	}
	r.opening.account.Receiving(since)
}

// failure returns the error of a stream that can't be read.
func (r *receiver) failure(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if cause := context.Cause(r.opening.ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("receive %s: %w", r.field(), err)
}

// metadata returns the wire bytes of the metadata, which must be in the message just received.
func (r *receiver) metadata() ([]byte, error) {
	number, payload, err := r.payload()
	switch {
	case err != nil:
		return nil, err
	case number != metadataNumber:
		return nil, r.invalid("required in the first message, which carries a scope")
	case len(payload) > r.opening.server.MaxMetadataBytes:
		text := fmt.Sprintf("%d bytes, more than the limit of %d", len(payload), r.opening.server.MaxMetadataBytes)
		return nil, metadataInvalid("metadata", text)
	}
	return payload, nil
}

// scope returns the wire bytes of the scope in the message just received, which are valid until
// receive is called twice, or releaseOlder.
func (r *receiver) scope() ([]byte, error) {
	number, payload, err := r.payload()
	switch {
	case err != nil:
		return nil, err
	case number == metadataNumber:
		return nil, &inputError{
			reason: ReasonStreamInvalid, field: "metadata",
			text: "sent a second time, instead of " + r.field(),
		}
	case len(payload) > r.opening.server.MaxScopeBytes:
		return nil, r.tooLarge()
	}
	r.progress.scope()
	if r.stream.Compressed() && r.opening.server.Budget.Exceeded() {
		r.opening.End(ErrMemory)
		return nil, context.Cause(r.opening.ctx)
	}
	return payload, nil
}

// field names the field that the next message should set. Scopes count from 0.
func (r *receiver) field() string {
	if r.progress.header.Load() == nil {
		return "metadata"
	}
	return scopeField(r.progress.scopes.Load())
}

func scopeField(ordinal int64) string { return "scope[" + strconv.FormatInt(ordinal, 10) + "]" }

func (r *receiver) invalid(text string) error {
	return &inputError{reason: ReasonStreamInvalid, field: r.field(), text: text}
}

func (r *receiver) tooLarge() error {
	return &inputError{
		reason: ReasonScopeTooLarge, field: r.field(),
		text: fmt.Sprintf("larger than the limit of %d bytes; split it at its children and repeat the root",
			r.opening.server.MaxScopeBytes),
	}
}

// receive receives a message that has begun.
func (r *receiver) receive() error {
	r.last = 1 - r.last
	message := &r.messages[r.last]
	err := r.stream.Receive(message)
	bytes := len(message.Bytes())
	r.pace.receive(bytes)
	r.waitForClient(false)
	r.progress.receive(bytes)
	if err != nil {
		return r.failure(err)
	}
	return nil
}

// payload finds the payload of the message just received.
func (r *receiver) payload() (protowire.Number, []byte, error) {
	number, payload, fault := splitRequest(r.messages[r.last].Bytes())
	if fault != "" {
		return 0, nil, r.invalid(fault)
	}
	return number, payload, nil
}

// releaseOlder frees the message before the last one.
func (r *receiver) releaseOlder() { r.messages[1-r.last].Release() }

// release frees all messages.
func (r *receiver) release() {
	r.messages[0].Release()
	r.messages[1].Release()
}

// The fields of UploadScopesRequest's payload.
const (
	metadataNumber protowire.Number = 1
	scopeNumber    protowire.Number = 2
)

// splitRequest returns the payload of an UploadScopesRequest and its field number. If there
// is not exactly one payload, fault says so.
func splitRequest(b []byte) (number protowire.Number, payload []byte, fault string) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, nil, "malformed protobuf"
		}
		b = b[n:]
		if typ != protowire.BytesType || num != metadataNumber && num != scopeNumber {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return 0, nil, "malformed protobuf"
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return 0, nil, "malformed protobuf"
		}
		if number != 0 {
			return 0, nil, "a message carries more than one payload"
		}
		number, payload, b = num, value, b[n:]
	}
	if number == 0 {
		return 0, nil, "required: the message is empty"
	}
	return number, payload, ""
}
