package devintake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Upload is a snapshot of one stored upload. Its metadata is that of the batch with the lowest
// number.
type Upload struct {
	UploadID   string `json:"upload_id"`
	RuntimeID  string `json:"runtime_id"`
	Service    string `json:"service"`
	Env        string `json:"env,omitempty"` // empty if there is none
	Version    string `json:"version"`
	Language   string `json:"language"`
	BatchCount int    `json:"batch_count"`
	// ScopeCount is the number of root scopes, including repeated ones.
	ScopeCount int `json:"scope_count"`
	// RawBytes is the size of all envelopes as JSON, CompressedBytes as gzip.
	RawBytes        int64 `json:"raw_bytes"`
	CompressedBytes int64 `json:"compressed_bytes"`
	// Complete is set if exactly one batch is final, it has the highest number, and no number
	// below it is missing.
	Complete bool `json:"complete"`
	// FinalBatchNum is the highest number of a final batch; 0 if there is none.
	FinalBatchNum int `json:"final_batch_num"`
	// RepeatCount is how many times a stored batch came again.
	RepeatCount int `json:"repeat_count"`
	// Violations are those of the current state: a hole is gone when the late batch arrives.
	Violations []Violation `json:"violations"`
	// Batches are ordered by number. [Intake.Uploads] omits them.
	Batches []Batch `json:"batches,omitempty"`
}

// ViolationKind is a broken rule about an upload as a whole.
type ViolationKind string

// The kinds of violations.
const (
	// Conflict: a stored batch came again with other bytes, and was refused.
	Conflict ViolationKind = "conflict"
	// Hole: a number is missing below one that is stored.
	Hole ViolationKind = "hole"
	// SeveralFinals: more than one batch is final.
	SeveralFinals ViolationKind = "several_finals"
	// AfterFinal: a batch has a higher number than one that is final.
	AfterFinal ViolationKind = "after_final"
	// MetadataDiffers: the batches differ in service, env, version, language, runtime ID or the
	// spelling of the upload ID.
	MetadataDiffers ViolationKind = "metadata_differs"
)

// Violation is a broken rule about an upload as a whole.
type Violation struct {
	Kind ViolationKind `json:"kind"`
	// BatchNum is the first batch that is missing, conflicting, a second final one, after the
	// final one, or different.
	BatchNum int    `json:"batch_num"`
	Text     string `json:"text"`
}

// Batch is a snapshot of one stored batch.
type Batch struct {
	BatchNum   int  `json:"batch_num"`
	Final      bool `json:"final"`
	ScopeCount int  `json:"scope_count"`
	// RawBytes is the envelope's size as JSON, CompressedBytes as gzip.
	RawBytes        int64 `json:"raw_bytes"`
	CompressedBytes int64 `json:"compressed_bytes"`
	// SHA256 is the hash of the gzip in hexadecimal.
	SHA256 string `json:"sha256"`
	// RepeatCount is how many times it came again with the same bytes.
	RepeatCount int `json:"repeat_count"`
	// ConflictCount is how many times it came again with other bytes.
	ConflictCount int `json:"conflict_count"`
	// Event is the event as received. It must not be changed.
	Event json.RawMessage `json:"event"`

	body body
}

// upload is the state of one upload, guarded by Intake.mu.
type upload struct {
	batches map[int]*batch
}

type batch struct {
	envelope
	runtimeID string
	eventSum  sum
	fileSum   sum
	snapshot  Batch
}

func newBatch(env envelope, runtimeID string, file *meter, event []byte) *batch {
	fileSum := file.sum()
	return &batch{
		envelope:  env,
		runtimeID: runtimeID,
		eventSum:  sha256.Sum256(event),
		fileSum:   fileSum,
		snapshot: Batch{
			BatchNum:        env.batchNum,
			Final:           env.final,
			ScopeCount:      env.scopeCount,
			RawBytes:        env.rawBytes,
			CompressedBytes: file.size,
			SHA256:          hex.EncodeToString(fileSum[:]),
			Event:           event,
		},
	}
}

// find returns a stored batch or nil. The caller must hold Intake.mu.
func (in *Intake) find(key string, batchNum int) *batch {
	if u, ok := in.uploads[key]; ok {
		return u.batches[batchNum]
	}
	return nil
}

// add adds a batch. The caller must hold Intake.mu.
func (in *Intake) add(key string, b *batch) {
	u, ok := in.uploads[key]
	if !ok {
		u = &upload{batches: make(map[int]*batch)}
		in.uploads[key] = u
		in.order = append(in.order, u)
	}
	u.batches[b.batchNum] = b
}

// uploadKey returns the key of an upload. The case of a UUID does not matter.
func uploadKey(uploadID string) string { return strings.ToLower(uploadID) }

func (u *upload) view(withBatches bool) Upload {
	nums := slices.Sorted(maps.Keys(u.batches))
	first := u.batches[nums[0]]
	view := Upload{
		UploadID:   first.uploadID,
		RuntimeID:  first.runtimeID,
		Service:    first.service,
		Env:        first.env,
		Version:    first.version,
		Language:   first.language,
		BatchCount: len(nums),
		Violations: []Violation{},
	}
	for _, num := range nums {
		b := u.batches[num]
		view.ScopeCount += b.scopeCount
		view.RawBytes += b.rawBytes
		view.CompressedBytes += b.snapshot.CompressedBytes
		view.RepeatCount += b.snapshot.RepeatCount
		if b.final {
			view.FinalBatchNum = num
		}
		if withBatches {
			view.Batches = append(view.Batches, b.snapshot)
		}
	}
	view.Violations = u.violations(nums)
	view.Complete = view.FinalBatchNum == len(nums) && nums[len(nums)-1] == len(nums) &&
		!slices.ContainsFunc(view.Violations, func(v Violation) bool { return v.Kind == SeveralFinals })
	return view
}

// violations depends on the stored batches only, not on the order of arrival.
func (u *upload) violations(nums []int) []Violation {
	found := []Violation{}
	add := func(kind ViolationKind, num int, format string, args ...any) {
		found = append(found, Violation{Kind: kind, BatchNum: num, Text: fmt.Sprintf(format, args...)})
	}
	first := u.batches[nums[0]]
	previous, final := 0, 0
	differs, after := false, false
	for _, num := range nums {
		b := u.batches[num]
		switch missing := num - 1 - previous; {
		case missing == 1:
			add(Hole, num-1, "batch %d is missing", num-1)
		case missing > 1:
			add(Hole, previous+1, "batches %d to %d are missing", previous+1, num-1)
		}
		previous = num
		if final > 0 && !after {
			after = true
			add(AfterFinal, num, "batch %d comes after batch %d, which is final", num, final)
		}
		if final > 0 && b.final {
			add(SeveralFinals, num, "batch %d is final, and so is batch %d", num, final)
		}
		if final == 0 && b.final {
			final = num
		}
		if !differs && (b.metadata != first.metadata || b.runtimeID != first.runtimeID) {
			differs = true
			add(MetadataDiffers, num, "batch %d has other metadata than batch %d", num, nums[0])
		}
		if count := b.snapshot.ConflictCount; count > 0 {
			add(Conflict, num, "batch %d came again with other bytes (%d times)", num, count)
		}
	}
	return found
}

// Uploads returns all uploads in order of arrival, without their batches.
func (in *Intake) Uploads() []Upload {
	in.mu.Lock()
	defer in.mu.Unlock()
	views := make([]Upload, 0, len(in.order))
	for _, u := range in.order {
		views = append(views, u.view(false))
	}
	return views
}

// Upload returns an upload with its batches, and whether it exists.
func (in *Intake) Upload(uploadID string) (Upload, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	u, ok := in.uploads[uploadKey(uploadID)]
	if !ok {
		return Upload{}, false
	}
	return u.view(true), true
}

// Batch returns a batch of an upload, and whether it exists.
func (in *Intake) Batch(uploadID string, batchNum int) (Batch, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.find(uploadKey(uploadID), batchNum)
	if b == nil {
		return Batch{}, false
	}
	return b.snapshot, true
}
