package testbed

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/server/devintake"
)

// Batch is a batch stored by the intake, as read by this package.
type Batch struct {
	Num   int
	Final bool
	// Scopes are the root scopes, as encoding/json decodes them.
	Scopes []any
	// Raw is the envelope.
	Raw []byte
	// CompressedBytes is the length of its gzip.
	CompressedBytes int64
}

type envelope struct {
	Service  string  `json:"service"`
	Env      *string `json:"env"`
	Version  *string `json:"version"`
	Language string  `json:"language"`
	UploadID string  `json:"upload_id"`
	BatchNum int     `json:"batch_num"`
	Scopes   []any   `json:"scopes"`
	Final    bool    `json:"final"`
}

type event struct {
	DDSource       string  `json:"ddsource"`
	Service        string  `json:"service"`
	Version        *string `json:"version"`
	Language       string  `json:"language"`
	RuntimeID      string  `json:"runtimeId"`
	ParentID       *string `json:"parentId"`
	Type           string  `json:"type"`
	UploadID       string  `json:"uploadId"`
	BatchNum       int     `json:"batchNum"`
	Final          bool    `json:"final"`
	AttachmentSize int64   `json:"attachmentSize"`
}

// RequireDelivered fails the test unless the intake has the whole upload, see
// [Intake.Verify], and the summary matches it. It returns the batches.
func (in *Intake) RequireDelivered(
	tb testing.TB, summary *symdbv1.UploadScopesResponse, metadata *symdbv1.UploadMetadata, sent []*symdbv1.Scope,
) []Batch {
	tb.Helper()
	batches, err := in.Verify(summary.GetUploadId(), metadata, sent)
	if err != nil {
		tb.Fatalf("upload %s: %v", summary.GetUploadId(), err)
	}
	if err := VerifySummary(summary, batches); err != nil {
		tb.Fatalf("upload %s: %v", summary.GetUploadId(), err)
	}
	return batches
}

// Verify returns the batches of an upload. It fails unless they are numbered from 1
// without a gap, only the last is final, each is one gzip member with its size in the
// event, each has the metadata, and their scopes are those sent, in order.
func (in *Intake) Verify(
	uploadID string, metadata *symdbv1.UploadMetadata, sent []*symdbv1.Scope,
) ([]Batch, error) {
	batches, err := in.Batches(uploadID, metadata)
	if err != nil {
		return nil, err
	}
	var arrived []any
	for i, batch := range batches {
		if last := i == len(batches)-1; batch.Final != last {
			return nil, fmt.Errorf("batch %d of %d has final = %v", batch.Num, len(batches), batch.Final)
		}
		arrived = append(arrived, batch.Scopes...)
	}
	if len(arrived) != len(sent) {
		return nil, fmt.Errorf("%d scopes, %d were sent", len(arrived), len(sent))
	}
	for i, got := range arrived {
		if want := ScopeJSON(sent[i]); !reflect.DeepEqual(got, want) {
			return nil, fmt.Errorf("scope %d is %s\nwant %s", i, excerpt(got), excerpt(want))
		}
	}
	return batches, nil
}

// VerifyMerged is Verify for scopes that may have been split: it compares the root
// scopes merged, as the backend merges them.
func (in *Intake) VerifyMerged(uploadID string, metadata *symdbv1.UploadMetadata, sent []*symdbv1.Scope) error {
	batches, err := in.Batches(uploadID, metadata)
	if err != nil {
		return err
	}
	var got, want []any
	for i, batch := range batches {
		if last := i == len(batches)-1; batch.Final != last {
			return fmt.Errorf("batch %d of %d has final = %v", batch.Num, len(batches), batch.Final)
		}
		got = append(got, batch.Scopes...)
	}
	for _, scope := range sent {
		want = append(want, ScopeJSON(scope))
	}
	got, want = MergeRoots(got), MergeRoots(want)
	if len(got) != len(want) {
		return fmt.Errorf("%d scopes when merged, %d were sent", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Errorf("scope %d is, merged, %s\nwant %s", i, excerpt(got[i]), excerpt(want[i]))
		}
	}
	return nil
}

// VerifyJourney fails unless the intake has the whole upload, and only beginnings under
// its abandoned identities. One of those may be whole if only the last answer was lost.
func (in *Intake) VerifyJourney(j Journey, metadata *symdbv1.UploadMetadata, sent []*symdbv1.Scope) error {
	as := func(id string) *symdbv1.UploadMetadata {
		md := proto.CloneOf(metadata)
		md.UploadId = id
		return md
	}
	if err := in.VerifyMerged(j.UploadID, as(j.UploadID), sent); err != nil {
		return fmt.Errorf("upload %s: %w", j.UploadID, err)
	}
	for _, id := range j.Abandoned {
		upload, ok := in.Store.Upload(id)
		if !ok {
			continue
		}
		if len(upload.Violations) > 0 {
			return fmt.Errorf("upload %s, abandoned: %v", id, upload.Violations)
		}
		if upload.FinalBatchNum == 0 {
			continue
		}
		if err := in.VerifyMerged(id, as(id), sent); err != nil {
			return fmt.Errorf("upload %s, abandoned, has a final batch: %w", id, err)
		}
	}
	return nil
}

// Repeats returns how many batches of the upload were repeated, under all identities.
func (in *Intake) Repeats(j Journey) int {
	count := 0
	for _, id := range append(slices.Clone(j.Abandoned), j.UploadID) {
		if upload, ok := in.Store.Upload(id); ok {
			count += upload.RepeatCount
		}
	}
	return count
}

// VerifySummary fails unless the summary matches the batches.
func VerifySummary(summary *symdbv1.UploadScopesResponse, batches []Batch) error {
	var scopes, rawBytes, compressedBytes int64
	for _, batch := range batches {
		scopes += int64(len(batch.Scopes))
		rawBytes += int64(len(batch.Raw))
		compressedBytes += batch.CompressedBytes
	}
	for _, count := range []struct {
		name      string
		got, want int64
	}{
		{"scope_count", summary.GetScopeCount(), scopes},
		{"batch_count", int64(summary.GetBatchCount()), int64(len(batches))},
		{"raw_bytes", summary.GetRawBytes(), rawBytes},
		{"compressed_bytes", summary.GetCompressedBytes(), compressedBytes},
	} {
		if count.got != count.want {
			return fmt.Errorf("summary: %s is %d, the intake has %d", count.name, count.got, count.want)
		}
	}
	return nil
}

// Batches returns the batches of an upload, complete or not. It fails unless they are
// valid and numbered from 1 without a gap.
func (in *Intake) Batches(uploadID string, metadata *symdbv1.UploadMetadata) ([]Batch, error) {
	upload, ok := in.Store.Upload(uploadID)
	if !ok {
		return nil, errors.New("the intake has no batch of it")
	}
	if len(upload.Violations) > 0 {
		return nil, fmt.Errorf("the intake found violations: %v", upload.Violations)
	}
	var batches []Batch
	for i, stored := range upload.Batches {
		if stored.BatchNum != i+1 {
			return nil, fmt.Errorf("batch %d is missing", i+1)
		}
		batch, err := readBatch(stored, uploadID, metadata)
		if err != nil {
			return nil, fmt.Errorf("batch %d: %w", stored.BatchNum, err)
		}
		batches = append(batches, batch)
	}
	return batches, nil
}

func readBatch(stored devintake.Batch, uploadID string, metadata *symdbv1.UploadMetadata) (Batch, error) {
	compressed, err := stored.Gzip()
	if err != nil {
		return Batch{}, err
	}
	raw, err := gunzip(compressed)
	if err != nil {
		return Batch{}, err
	}
	var env envelope
	if err := unmarshalStrictly(raw, &env); err != nil {
		return Batch{}, fmt.Errorf("envelope: %w", err)
	}
	var ev event
	if err := unmarshalStrictly(stored.Event, &ev); err != nil {
		return Batch{}, fmt.Errorf("event: %w", err)
	}
	wantEnvelope := envelope{
		Service: metadata.GetService(), Env: metadata.Env, Version: metadata.Version, Language: metadata.GetLanguage(),
		UploadID: uploadID, BatchNum: stored.BatchNum, Final: env.Final,
	}
	scopes := env.Scopes
	env.Scopes = nil
	if !reflect.DeepEqual(env, wantEnvelope) {
		return Batch{}, fmt.Errorf("envelope is %+v, want the metadata %v", env, metadata)
	}
	wantEvent := event{
		DDSource: cmp.Or(metadata.GetDdsource(), "dd_debugger"), Service: metadata.GetService(), Version: metadata.Version,
		Language: cmp.Or(metadata.GetEventLanguage(), metadata.GetLanguage()), RuntimeID: metadata.GetRuntimeId(),
		ParentID: metadata.ParentId, Type: "symdb",
		UploadID: uploadID, BatchNum: stored.BatchNum, Final: env.Final, AttachmentSize: int64(len(compressed)),
	}
	if !reflect.DeepEqual(ev, wantEvent) {
		return Batch{}, fmt.Errorf("event is %+v, want %+v", ev, wantEvent)
	}
	if len(scopes) == 0 {
		return Batch{}, errors.New("no scope")
	}
	return Batch{
		Num: stored.BatchNum, Final: env.Final, Scopes: scopes, Raw: raw, CompressedBytes: int64(len(compressed)),
	}, nil
}

// gunzip decompresses exactly one gzip member.
func gunzip(compressed []byte) ([]byte, error) {
	rest := bytes.NewReader(compressed)
	member, err := gzip.NewReader(rest)
	if err != nil {
		return nil, fmt.Errorf("gunzip: %w", err)
	}
	member.Multistream(false)
	raw, err := io.ReadAll(member)
	if err != nil {
		return nil, fmt.Errorf("gunzip: %w", err)
	}
	if rest.Len() > 0 {
		return nil, fmt.Errorf("gunzip: %d bytes after the first member", rest.Len())
	}
	return raw, nil
}

func unmarshalStrictly(raw []byte, target any) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the JSON")
	}
	return nil
}

func excerpt(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		return []byte(err.Error())
	}
	return text[:min(len(text), 2000)]
}
