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

// Upload is a snapshot of what is stored of one upload. Its metadata is that of
// the stored batch with the lowest number.
type Upload struct {
	UploadID  string `json:"upload_id"`
	RuntimeID string `json:"runtime_id"`
	Service   string `json:"service"`
	// Env is empty where the envelope has none.
	Env      string `json:"env,omitempty"`
	Version  string `json:"version"`
	Language string `json:"language"`
	// BatchCount is the number of batches stored.
	BatchCount int `json:"batch_count"`
	// ScopeCount is the number of root scopes; a root that comes twice counts
	// twice.
	ScopeCount int `json:"scope_count"`
	// RawBytes is the size of all envelopes as JSON.
	RawBytes int64 `json:"raw_bytes"`
	// CompressedBytes is the size of all envelopes as gzip.
	CompressedBytes int64 `json:"compressed_bytes"`
	// Complete is set where exactly one batch is final, it has the highest
	// number, and no number below it is missing.
	Complete bool `json:"complete"`
	// FinalBatchNum is the highest number of a final batch; 0 without one.
	FinalBatchNum int `json:"final_batch_num"`
	// RepeatCount is how many times a stored batch came again.
	RepeatCount int `json:"repeat_count"`
	// Violations is what is wrong with the upload as a whole, by the state it is
	// in now: a hole is gone once the batch that was late is there.
	Violations []Violation `json:"violations"`
	// Batches are the batches by number. [Intake.Uploads] leaves them out.
	Batches []Batch `json:"batches,omitempty"`
}

// ViolationKind says which rule about an upload as a whole is broken.
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
	// MetadataDiffers: the batches don't agree about service, env, version,
	// language, runtime id or the spelling of the upload id.
	MetadataDiffers ViolationKind = "metadata_differs"
)

// Violation is what is wrong with an upload as a whole.
type Violation struct {
	Kind ViolationKind `json:"kind"`
	// BatchNum is the batch at which it shows: the first one that is missing,
	// conflicting, final too many, after the final one or different.
	BatchNum int `json:"batch_num"`
	// Text says it in words.
	Text string `json:"text"`
}

// Batch is a snapshot of one stored batch.
type Batch struct {
	BatchNum   int  `json:"batch_num"`
	Final      bool `json:"final"`
	ScopeCount int  `json:"scope_count"`
	// RawBytes is the envelope's size as JSON.
	RawBytes int64 `json:"raw_bytes"`
	// CompressedBytes is the envelope's size as gzip.
	CompressedBytes int64 `json:"compressed_bytes"`
	// SHA256 is the hash of the gzip, in hexadecimal.
	SHA256 string `json:"sha256"`
	// RepeatCount is how many times it came again with the same bytes.
	RepeatCount int `json:"repeat_count"`
	// ConflictCount is how many times it came again with other bytes.
	ConflictCount int `json:"conflict_count"`
	// Event is the event as it came. Not to be changed.
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

// find returns a stored batch or nil. Intake.mu is held.
func (in *Intake) find(key string, batchNum int) *batch {
	if u, ok := in.uploads[key]; ok {
		return u.batches[batchNum]
	}
	return nil
}

// add adds a batch. Intake.mu is held.
func (in *Intake) add(key string, b *batch) {
	u, ok := in.uploads[key]
	if !ok {
		u = &upload{batches: make(map[int]*batch)}
		in.uploads[key] = u
		in.order = append(in.order, u)
	}
	u.batches[b.batchNum] = b
}

// uploadKey is how an upload is found: a UUID is the same in either case.
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

// violations looks at the batches by number; no clock and no order of arrival
// comes into it.
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

// Uploads returns what is stored, in order of arrival, without the batches.
func (in *Intake) Uploads() []Upload {
	in.mu.Lock()
	defer in.mu.Unlock()
	views := make([]Upload, 0, len(in.order))
	for _, u := range in.order {
		views = append(views, u.view(false))
	}
	return views
}

// Upload returns one upload with its batches, and whether there is one.
func (in *Intake) Upload(uploadID string) (Upload, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	u, ok := in.uploads[uploadKey(uploadID)]
	if !ok {
		return Upload{}, false
	}
	return u.view(true), true
}

// Batch returns one batch of an upload, and whether there is one.
func (in *Intake) Batch(uploadID string, batchNum int) (Batch, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.find(uploadKey(uploadID), batchNum)
	if b == nil {
		return Batch{}, false
	}
	return b.snapshot, true
}
