package verify

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/compare"
)

// expected is the content of a batch, except its scopes and the metadata's open maps.
type expected struct {
	metadata client.Metadata
	batchNum int
	final    bool
}

type sizes struct {
	rawBytes, compressedBytes int64
}

// errStopped means that the consumer wants no more scopes.
var errStopped = errors.New("stopped")

// readBatch checks a batch and yields its scopes, in order. It returns errStopped once yield
// returns false, and does not yield its errors.
func readBatch(batch Batch, want expected, yield func(map[string]any, error) bool) (sizes, error) {
	file, err := batch.Open()
	if err != nil {
		return sizes{}, fmt.Errorf("open: %w", err)
	}
	defer file.Close()
	compressed := &countingReader{source: file}
	buffered := bufio.NewReader(compressed)
	member, err := gzip.NewReader(buffered)
	if err != nil {
		return sizes{}, fmt.Errorf("decompress: %w", err)
	}
	member.Multistream(false)
	raw := &countingReader{source: member}
	if err := readEnvelope(raw, want, yield); err != nil {
		return sizes{}, fmt.Errorf("envelope: %w", err)
	}
	if _, err := buffered.ReadByte(); !errors.Is(err, io.EOF) {
		return sizes{}, errors.New("data after the gzip member")
	}
	size := sizes{rawBytes: raw.count, compressedBytes: compressed.count}
	if err := checkEvent(batch.Event, want, size.compressedBytes); err != nil {
		return sizes{}, fmt.Errorf("event: %w", err)
	}
	return size, nil
}

type member struct {
	key   string
	value any
}

func (e expected) beforeScopes() []member {
	members := []member{{"service", e.metadata.Service}}
	if e.metadata.Env != nil {
		members = append(members, member{"env", *e.metadata.Env})
	}
	if e.metadata.Version != nil {
		members = append(members, member{"version", *e.metadata.Version})
	}
	return append(members,
		member{"language", e.metadata.Language},
		member{"upload_id", e.metadata.UploadID},
		member{"batch_num", integer(int64(e.batchNum))})
}

func readEnvelope(raw io.Reader, want expected, yield func(map[string]any, error) bool) error {
	decoder := json.NewDecoder(raw)
	decoder.UseNumber()
	if err := expectToken(decoder, json.Delim('{')); err != nil {
		return err
	}
	for _, m := range want.beforeScopes() {
		if err := expectMember(decoder, m); err != nil {
			return err
		}
	}
	if err := readScopes(decoder, yield); err != nil {
		return err
	}
	if err := expectMember(decoder, member{"final", want.final}); err != nil {
		return err
	}
	if err := expectToken(decoder, json.Delim('}')); err != nil {
		return err
	}
	if token, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%v follows the envelope: %w", token, err)
	}
	return nil
}

func readScopes(decoder *json.Decoder, yield func(map[string]any, error) bool) error {
	if err := expectToken(decoder, "scopes"); err != nil {
		return err
	}
	if err := expectToken(decoder, json.Delim('[')); err != nil {
		return err
	}
	for i := 0; decoder.More(); i++ {
		var received map[string]any
		if err := decoder.Decode(&received); err != nil {
			return fmt.Errorf("scopes[%d]: %w", i, err)
		}
		if !yield(received, nil) {
			return errStopped
		}
	}
	return expectToken(decoder, json.Delim(']'))
}

func expectMember(decoder *json.Decoder, want member) error {
	if err := expectToken(decoder, want.key); err != nil {
		return err
	}
	if err := expectToken(decoder, want.value); err != nil {
		return fmt.Errorf("%s: %w", want.key, err)
	}
	return nil
}

func expectToken(decoder *json.Decoder, want json.Token) error {
	token, err := decoder.Token()
	if err != nil {
		return fmt.Errorf("expect %v: %w", want, err)
	}
	if token != want {
		return fmt.Errorf("received %v, expected %v", token, want)
	}
	return nil
}

func checkEvent(event []byte, want expected, attachmentBytes int64) error {
	decoder := json.NewDecoder(bytes.NewReader(event))
	decoder.UseNumber()
	var received map[string]any
	if err := decoder.Decode(&received); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	sent := map[string]any{
		"ddsource":       cmp.Or(want.metadata.DDSource, "dd_debugger"),
		"type":           "symdb",
		"service":        want.metadata.Service,
		"language":       cmp.Or(want.metadata.EventLanguage, want.metadata.Language),
		"runtimeId":      want.metadata.RuntimeID,
		"uploadId":       want.metadata.UploadID,
		"batchNum":       integer(int64(want.batchNum)),
		"final":          want.final,
		"attachmentSize": integer(attachmentBytes),
	}
	if want.metadata.Version != nil {
		sent["version"] = *want.metadata.Version
	}
	if want.metadata.ParentID != nil {
		sent["parentId"] = *want.metadata.ParentID
	}
	if all := compare.Values(sent, received); len(all) > 0 {
		return fmt.Errorf("%s: sent %s, received %s", all[0].Path, all[0].A, all[0].B)
	}
	return nil
}

func integer(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// countingReader counts the bytes read from its source.
type countingReader struct {
	source io.Reader
	count  int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.source.Read(p)
	c.count += int64(n)
	return n, err
}
